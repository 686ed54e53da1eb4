"""A toy recipe of the DinoGaze family, which trains in seconds on a few images."""

from pathlib import Path
from typing import Any

from foregaze.config import make_config
from foregaze.training.branch import Part, _stage_module, make_part, stored_features
from foregaze.training.components import initial_model
from foregaze.training.dataset import training_data
from foregaze.training.frames import View
from foregaze.training.guided_recipe import GuidedRecipe
from foregaze.training.module import BranchTraining
from foregaze.training.segments import segment_images, write_segment_keys

SIZE = (64, 96)
"""At which images are seen."""
STAGE = {"name": "eye", "epochs": 2, "warmup_steps": 0, "batch_size": 2, "learning_rate": 1e-2}
MODEL = {
    "backbones": [{"name": "tf_efficientnet_lite0", "taps": ["2", "4"], "weights": "random:0"}],
    "readout_factor": 16,
    "history": 0,
    "blur_sigma": 1.0,
}
SPADE = {
    "spade_hidden": 4,
    "most_segments": 6,
    "segmenter": "grid",
    "segmenter_settings": {"rows": 2, "columns": 3},
}


def guided(
    root: Path, folder: Path, architecture: str = "dinogaze", **changes: Any
) -> GuidedRecipe:
    """The recipe; `stage` changes its stage, `model` adds to its model's configuration.

    Args:
        root: Of OSIE.
        folder: For the stores.
        architecture: Of the family.
        changes: Of anything else.
    """
    stage = STAGE | changes.pop("stage", {})
    spade = {} if architecture == "dinogaze" else SPADE
    content = {
        "name": "toy",
        "architecture": architecture,
        "branches": [{"name": "head", "stages": [stage], "seeds": changes.pop("seeds", [0])}],
        "model": MODEL | spade | changes.pop("model", {}),
        "grid": {"input_size": list(SIZE)},
        "data": {"root": str(root), "folds": 3} | changes.pop("data", {}),
        "parts": ["fold-0"],
        "metrics": ["LL"],
        "workers": 1,
        "store": str(folder / "features"),
        "segment_store": str(folder / "segments"),
        "trainer": {"accelerator": "cpu"},
    }
    return make_config(GuidedRecipe, content | changes, "recipe.yaml")


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody sees."""
    assert 0 <= done <= total, what


def prepared(recipe: GuidedRecipe, output: Path, part_name: str = "fold-0") -> Part:
    """A part whose features and segments are there, in this process."""
    dataset = training_data(recipe.data)
    part = make_part(recipe, dataset, part_name)
    features = stored_features(recipe, part, 0, dataset)
    views = [
        View(image, mirrored, (), variant)
        for image in range(len(dataset))
        for mirrored in (False, True)
        for variant in range(recipe.data.variants + 1)
    ]
    missing = features.missing(views)
    network = features.network() if missing else None
    for view in missing:
        features.fill(view, network)
    features.store.close()
    if recipe.segments is not None:
        images = range(len(dataset))
        output.mkdir(parents=True, exist_ok=True)
        keys = segment_images(recipe.segments, dataset, recipe.segment_store, images)
        write_segment_keys(output, keys)
    return part


def stage_module(recipe: GuidedRecipe, output: Path, part_name: str = "fold-0") -> BranchTraining:
    """What fits the recipe's one stage, from the model that it begins with."""
    part = prepared(recipe, output, part_name)
    model = initial_model(recipe, 0, 0, part.held_out)
    (stage,) = recipe.branches[0].stages
    return _stage_module(recipe, output, part, 0, stage, 0, model)
