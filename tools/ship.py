"""Put trained models into the package, with their out-of-fold numbers in the card.

`python tools/ship.py RUN` takes `RUN/all/model.safetensors` to `src/foregaze/weights`, under the
run's name, with the metrics of its report in `docs/reports` (made by tools/osie_table.py). Of a run
that makes a scanpath mixture it takes the components of all folds, to stand on the spatial model
that is shipped, with the metrics of the run's own report.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from foregaze.backbones.weights import resolve_weights
from foregaze.models import AnyModel, ScanpathMixture
from foregaze.models.checkpoint import load_checkpoint, save_checkpoint
from foregaze.models.checkpoint_file import load_trained, read_tensors
from foregaze.training.branch import branch_path
from foregaze.training.components import graph_of
from foregaze.training.dataset import training_data
from foregaze.training.examples import viewing_quantiles_ms
from foregaze.training.recipes import read_recipe
from foregaze.training.scanpath_recipe import ScanpathRecipe

ROOT = Path(__file__).parents[1]


def mixture_of_folds(recipe: ScanpathRecipe, run: Path) -> tuple[ScanpathMixture, dict[str, Any]]:
    """The components that a run trained without each of the folds, on the shipped spatial model."""
    dataset = training_data(recipe.data)
    tensors = {"viewing_ms": viewing_quantiles_ms(dataset)}
    branch = recipe.branches[0]
    members = [(k, seed) for k in range(recipe.data.folds) for seed in branch.seeds]
    for place, (fold, seed) in enumerate(members):
        member = read_tensors(branch_path(run, f"fold-{fold}", branch.name, seed))
        for key, tensor in member.items():
            if key.startswith("viewers.0."):
                tensors[key.replace("viewers.0.", f"viewers.{place}.", 1)] = tensor
    config = recipe.model_config_of([], len(members))
    spatial = f"shipped:{recipe.spatial_run.name}.safetensors"
    model = ScanpathMixture(config.model_copy(update={"spatial": spatial}))
    load_trained(model, tensors, str(run))
    card = {
        "recipe": recipe.model_dump(mode="json", exclude={"store", "workers"}),
        "part": "the components of all folds",
        "dataset": dataset.name,
        "images": sorted(dataset.stimuli.names),
    }
    return model, card


def main() -> None:
    """Copy one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    recipe = read_recipe(run / "recipe.yaml")
    model: AnyModel
    if isinstance(recipe, ScanpathRecipe):
        model, card = mixture_of_folds(recipe, run)
        graph = graph_of(model)
        report = json.loads((run / "report.json").read_text())
    else:
        checkpoint = load_checkpoint(run / "all" / "model.safetensors")
        model, card, graph = checkpoint.model, checkpoint.card, checkpoint.graph
        report = json.loads((ROOT / "docs" / "reports" / f"{run.name}.json").read_text())
    target = ROOT / "src" / "foregaze" / "weights" / f"{run.name}.safetensors"
    target.parent.mkdir(exist_ok=True)
    card = card | {"out_of_fold": report["metrics"]}
    save_checkpoint(model, target, card, half=True, graph=graph)
    resolve_weights(f"shipped:{target.name}")
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
