"""Compare what the scanpath model may see, on images held back from fold 0's training part.

`python tools/explore_scanpath.py` trains configs/exploration-scanpath.yaml once for each variant,
into runs/exploration-scanpath (where it also goes on if it was stopped), and writes the table of
docs/exploration.md: log-likelihood of positions in bits over uniform, first fixations included, and
of durations, both on the 60 validation images, each by the mean over 32 drawn fixations. The test
images of the fold are not looked at. The features are those that `make train-scanpath` stored.
"""

import csv
from pathlib import Path

from rich.progress import track

from finetuning import compare
from foregaze.models.next_fixation import INPUTS
from foregaze.training.branch import Part, make_part, train_branch
from foregaze.training.dataset import training_data
from foregaze.training.recipes import read_recipe
from foregaze.training.scanpath_recipe import ScanpathRecipe

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "exploration-scanpath"
PAGE = ROOT / "docs" / "exploration.md"
BEGIN = "<!-- scanpaths: made by tools/explore_scanpath.py -->"
END = "<!-- end of scanpaths -->"
ALL = tuple(INPUTS)


def variants() -> dict[str, list[str]]:
    """What each variant is called, and how its recipe differs."""
    inputs = "branches.0.fixation.inputs=[{}]"
    found = {
        "all inputs": [],
        "positions of the last four alone, as DeepGaze III": [inputs.format("")],
    }
    for name in ALL:
        left = ",".join(other for other in ALL if other != name)
        found[f"without {name}: {INPUTS[name]}"] = [inputs.format(left)]
    found["two fixations seen one by one, not four"] = ["branches.0.fixation.history=2"]
    found["hidden layers of 64 and 32 channels, not 32 and 16"] = [
        "branches.0.fixation.hidden=[64,32]"
    ]
    return found


def validated(overrides: list[str], folder: Path) -> tuple[float, float]:
    """Bits of positions and of durations on the validation images."""
    recipe = read_recipe(ROOT / "configs" / "exploration-scanpath.yaml", overrides)
    part: Part = make_part(recipe, training_data(recipe.data), "fold-0")
    branch = recipe.branches[0]
    curve = folder / "fold-0" / f"{branch.name}-0" / branch.stages[-1].name / "csv" / "metrics.csv"
    if not (folder / "fold-0" / f"{branch.name}-0.safetensors").exists():
        (folder / "fold-0").mkdir(parents=True, exist_ok=True)
        train_branch(recipe, folder, part, 0, 0, lambda: None)
    with curve.open() as file:
        rows = [row for row in csv.DictReader(file) if row["validation/LL of each"]]
    best = max(rows, key=lambda row: float(row["validation/LL"]))
    return float(best["validation/LL of each"]), float(best["validation/duration_LL of each"])


def main() -> None:
    """Train what is missing, and write the table."""
    lines = ["| variant | positions, LL | durations, LL |", "| --- | --- | --- |"]
    for number, (name, overrides) in enumerate(track(variants().items(), "variants")):
        positions, durations = validated(overrides, RUNS / f"{number:02d}")
        lines.append(f"| {name} | {positions:.3f} | {durations:.3f} |")
    recipe = read_recipe(ROOT / "configs" / "exploration-scanpath.yaml")
    assert isinstance(recipe, ScanpathRecipe)
    lines += ["", "| spatial network | positions, LL on fold 4 |", "| --- | --- |"]
    lines += [f"| {name} | {bits:.3f} |" for name, bits in compare(recipe)]
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    PAGE.write_text("\n".join([head + BEGIN, "", *lines, "", END]) + rest.split(END)[1])
    print("\n".join(lines))


if __name__ == "__main__":
    main()
