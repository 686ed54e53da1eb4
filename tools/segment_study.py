"""What segments are worth on OSIE, out of fold: trained, scored and compared.

Each row of configs/segment-study.yaml is a recipe, run as `foregaze train` runs it, some from
several seeds; finished runs are kept. Models that see segments are scored again with other segments
at test time: those of another image of their fold, and one for all.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foregaze.cli.progress import ProgressDisplay
from foregaze.config import make_config, read_yaml
from foregaze.evaluation.evaluate import evaluate
from foregaze.evaluation.report import Report, merge, read_report
from foregaze.segmentation import Segments
from foregaze.training.branch import Part, make_part
from foregaze.training.dataset import training_data
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.run import scored_by_store, train
from foregaze.training.segments import stored_segments
from foregaze.types import EyeTrackingDataset

CONFIG = Path("configs/segment-study.yaml")
RUNS = Path("runs/segment-study")
_SEED = 123
"""Of which image's segments another gets."""

OfImage = Callable[[int], Segments]


@dataclass(frozen=True)
class Run:
    """A row, trained from one seed."""

    recipe: GuidedRecipe
    output: Path

    def report(self) -> Report:
        """Its scores, once it is finished."""
        return read_report(self.output / "report.json")


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    slug: str
    runs: Mapping[int, Run]
    """By seed."""
    changes: tuple[str, ...]
    """What is done to its segments at test time."""

    @property
    def first(self) -> Run:
        """The run of the first seed, which every row has."""
        return next(iter(self.runs.values()))

    @property
    def name(self) -> str:
        """As the table has it."""
        return self.first.recipe.name


def read_rows(osie: Path) -> list[Row]:
    """The rows of the study, their recipes complete."""
    content = read_yaml(CONFIG)
    rows = []
    for slug, own in content["rows"].items():
        merged: dict[str, Any] = {**content["base"], **own}
        merged["model"] = {**content["base"]["model"], **own.get("model", {})}
        merged["data"] = {**content["base"]["data"], "root": osie}
        changes = tuple(CHANGES) if slug in content["changed"] else ()
        seeds = content["seeds"] if slug in content["seeded"] else content["seeds"][:1]
        runs = {seed: _make_run(merged, slug, seed) for seed in seeds}
        rows.append(Row(slug, runs, changes))
    return rows


def _make_run(content: Mapping[str, Any], slug: str, seed: int) -> Run:
    """A row's run from one seed; the folder of seed 0 is named by the row alone."""
    branches = [{**branch, "seeds": [seed]} for branch in content["branches"]]
    named = f"{slug}-seed-{seed}" if seed else slug
    recipe = make_config(GuidedRecipe, {**content, "branches": branches}, f"{CONFIG}: {named}")
    return Run(recipe, RUNS / named)


def with_others(of_image: OfImage, part: Part) -> OfImage:
    """For each test image of a part, the segments of another one, every one used once."""
    order = np.random.default_rng(_SEED).permutation(part.test)
    other = dict(zip(order, np.roll(order, 1), strict=True))
    return lambda image: of_image(int(other[image]))


def all_one(of_image: OfImage, part: Part) -> OfImage:
    """One segment for all of every image."""
    return lambda image: np.zeros_like(of_image(image))


CHANGES: Mapping[str, Callable[[OfImage, Part], OfImage]] = {
    "shuffled": with_others,
    "constant": all_one,
}
"""What happens to segments at test time."""


def changed_report(run: Run, change: str, dataset: EyeTrackingDataset) -> Report:
    """A run's models scored with other segments than they were trained on; kept in its folder."""
    path = run.output / f"report-{change}.json"
    if not path.exists():
        reports = []
        of_image = stored_segments(run.output, run.recipe.segment_store, dataset)
        for name in run.recipe.part_names():
            part = make_part(run.recipe, dataset, name)
            model = run.output / name / "model.safetensors"
            scored = scored_by_store(
                run.recipe, run.output, part, model, CHANGES[change](of_image, part), change
            )
            metrics = run.recipe.metrics
            reports.append(evaluate(scored, dataset, metrics=metrics, images=part.test))
        merge(reports).save(path)
    return read_report(path)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osie", type=Path, default=Path("../shared/osie"))
    parser.add_argument("--only", nargs="*", help="rows to run, and no page")
    options = parser.parse_args()
    rows = read_rows(options.osie)
    for row in rows:
        if options.only is not None and row.slug not in options.only:
            continue
        for seed, run in row.runs.items():
            print(f"{row.name}, seed {seed}", flush=True)
            with ProgressDisplay() as show:
                report = train(run.recipe, run.output, resume=True, on_progress=show)
            assert report is not None
            print(report.table(), flush=True)
        for change in row.changes:
            dataset = training_data(row.first.recipe.data)
            print(changed_report(row.first, change, dataset).table(), flush=True)
    if options.only is None:
        from segment_page import write_page

        write_page(rows)


if __name__ == "__main__":
    main()
