"""Whole runs of a toy recipe on a few of OSIE's images."""

import pytest
import torch

from foregaze.config import read_config
from foregaze.data import load_dataset
from foregaze.errors import ConfigError, OutputError
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint import load_checkpoint
from foregaze.models.checkpoint_file import read_tensors
from foregaze.training.branch import branch_path, make_part, train_branch
from foregaze.training.recipe import Recipe
from foregaze.training.run import train
from tests.training.conftest import IMAGES


@pytest.fixture
def recipe(small_osie, tmp_path):
    frozen = {"name": "frozen", "config": {"tuned_from": 7}, "seeds": [0, 1]}
    stages = [
        {"name": "mouse", "dataset": "osie-mouse-lab", "epochs": 1, "warmup_steps": 0},
        {"name": "eye", "epochs": 2, "warmup_steps": 0},
    ]
    return Recipe.model_validate(
        {
            "name": "toy",
            "backbone": "tf_efficientnet_lite0",
            "backbone_weights": "random:0",
            "input_size": [64, 96],
            "branches": [
                {"name": "tuned", "config": {"tuned_from": 6}, "stages": stages},
                frozen | {"stages": stages[1:]},
            ],
            "data": {"root": str(small_osie), "folds": 3, "validation_images": 2},
            "parts": ["fold-0", "fold-2", "all"],
            "store": str(tmp_path / "store"),
        }
    )


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


def test_a_recipe_makes_models_and_reports_and_never_overwrites(recipe, tmp_path):
    output = tmp_path / "run"
    report = train(recipe, output, resume=False, on_progress=quiet)
    assert report is not None
    assert report.images == 8
    assert read_config(Recipe, output / "recipe.yaml") == recipe
    model = load_model(str(output / "all" / "model.safetensors"), device="cpu")
    assert len(model.model.branches) == 3
    assert model.card["dataset"] == "osie"
    assert len(model.card["images"]) == IMAGES - 2
    assert not (output / "all" / "report.json").exists()
    with pytest.raises(OutputError, match="exists and is not empty"):
        train(recipe, output, resume=False, on_progress=quiet)
    other = recipe.model_copy(update={"input_size": (96, 96)})
    with pytest.raises(ConfigError, match="begun with another recipe"):
        train(other, output, resume=True, on_progress=quiet)
    finished = (output / "all" / "model.safetensors").stat().st_mtime_ns
    train(recipe, output, resume=True, on_progress=quiet)
    assert (output / "all" / "model.safetensors").stat().st_mtime_ns == finished


class StoppedError(Exception):
    pass


@pytest.fixture
def one_thread():
    """As in a worker of a run: sums in another order would differ in the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_resumed_branch_equals_an_uninterrupted_one(recipe, tmp_path):
    train(
        recipe.model_copy(update={"parts": ("fold-0",)}),
        tmp_path / "whole",
        resume=False,
        on_progress=quiet,
    )
    part = make_part(recipe, load_dataset("osie", recipe.data.root), "fold-0")
    epochs = []

    def interrupt() -> None:
        epochs.append(1)
        if len(epochs) == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_branch(recipe, tmp_path / "cut", part, 0, 0, interrupt)
    assert not branch_path(tmp_path / "cut", "fold-0", "tuned", 0).exists()
    train_branch(recipe, tmp_path / "cut", part, 0, 0, lambda: None)
    whole, resumed = (
        read_tensors(branch_path(tmp_path / folder, "fold-0", "tuned", 0))
        for folder in ("whole", "cut")
    )
    for key, tensor in whole.items():
        assert torch.equal(tensor, resumed[key]), key


def test_parts_are_disjoint_and_copies_stay_together(recipe, osie_root):
    dataset = load_dataset("osie", osie_root)
    names = dataset.stimuli.names
    copies = {names.index("1279.jpg"), names.index("1374.jpg")}
    tested = []
    for fold in range(3):
        part = make_part(recipe, dataset, f"fold-{fold}")
        assert sorted(part.fit + part.validation + part.test) == list(range(600))
        assert sum(copies <= set(p) for p in (part.fit, part.validation, part.test)) == 1
        tested += part.test
    assert sorted(tested) == list(range(600))


def test_seeds_make_different_branches(recipe, tmp_path):
    only_frozen = recipe.model_copy(update={"branches": recipe.branches[1:], "parts": ("all",)})
    assert train(only_frozen, tmp_path / "run", resume=False, on_progress=quiet) is None
    model = load_checkpoint(tmp_path / "run" / "all" / "model.safetensors").model
    first, second = (branch.conv1.weight for branch in model.branches)
    assert not torch.equal(first, second)
