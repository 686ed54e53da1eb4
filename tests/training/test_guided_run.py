"""Two phases of a toy model with segments on a few of OSIE's images."""

import numpy as np
import pytest
import torch

from foregaze.data import load_dataset
from foregaze.errors import WeightsError
from foregaze.evaluation.report import read_report
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint_file import read_tensors
from foregaze.training.branch import branch_path, make_part, train_branch
from foregaze.training.run import train
from foregaze.training.segments import read_segment_keys, write_segment_keys
from tests.training.toy_guided import guided, quiet

SALIENCY = "heads.0.saliency."


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in a worker of a run: sums in another order would differ in the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def spatial(small_osie, tmp_path_factory):
    """The folder of the first phase: where people look."""
    folder = tmp_path_factory.mktemp("spatial")
    recipe = guided(
        small_osie,
        folder,
        "dinogaze-spade",
        parts=["fold-0", "fold-2"],
        data={"variants": 1},
    )
    report = train(recipe, folder / "run", resume=False, on_progress=quiet)
    assert report.images == 8
    return folder


def scanpath_recipe(spatial, small_osie):
    """The second phase: where they look next; two epochs with validation."""
    parts = ["fold-0"]
    return guided(
        small_osie,
        spatial,
        "dinogaze-spade",
        model={"history": 4},
        stage={"histories_per_image": 3},
        data={"validation_images": 2},
        parts=parts,
        start={part: str(spatial / "run" / part / "model.safetensors") for part in parts},
        frozen=["saliency"],
    )


@pytest.fixture(scope="module")
def scanpath(spatial, small_osie, tmp_path_factory):
    """The folder of the second phase and its report."""
    folder = tmp_path_factory.mktemp("scanpath")
    recipe = scanpath_recipe(spatial, small_osie)
    report = train(recipe, folder / "run", resume=False, on_progress=quiet)
    return folder / "run", report, recipe


def test_a_run_leaves_models_reports_and_keys_of_segments(spatial, small_osie):
    run = spatial / "run"
    names = set(load_dataset("osie", small_osie).stimuli.names)
    assert set(read_segment_keys(run)) == names
    for part in ("fold-0", "fold-2"):
        report = read_report(run / part / "report.json")
        assert np.isfinite(report.metrics["LL"].mean)
        assert report.notes == ("features from the store, in half precision",)
        card = load_model(str(run / part / "model.safetensors"), device="cpu").card
        assert set(card["images"]) < names
    assert (run / "report.json").exists()


def test_a_frozen_network_keeps_every_bit(spatial, scanpath):
    before = read_tensors(spatial / "run" / "fold-0" / "model.safetensors")
    after = read_tensors(scanpath[0] / "fold-0" / "model.safetensors")
    frozen = [key for key in before if key.startswith(SALIENCY)]
    assert frozen
    assert frozen == [key for key in after if key.startswith(SALIENCY)]
    for key in frozen:
        assert torch.equal(after[key], before[key]), key
    trained = [k for k in before if k.startswith("heads.") and k not in frozen]
    moved = [
        k
        for k in trained
        if before[k].shape != after[k].shape or not torch.equal(before[k], after[k])
    ]
    assert moved


def test_the_second_phase_predicts_after_fixations(scanpath, small_osie):
    run, report, _ = scanpath
    assert report.images == 4
    assert np.isfinite(report.metrics["LL"].mean)
    assert "each fixation is predicted from those before it" in report.notes
    assert not any(note.startswith("trained on") for note in report.notes)
    model = load_model(str(run / "fold-0" / "model.safetensors"), device="cpu")
    image = load_dataset("osie", small_osie).stimuli[0]
    left, right = (
        model.predict(image, x_hist=[x], y_hist=[300.0]).log_density for x in (100.0, 700.0)
    )
    assert abs(left - right).max() > 1e-3


class StoppedError(Exception):
    pass


def test_an_interrupted_phase_ends_as_an_uninterrupted_one(scanpath, small_osie, tmp_path):
    run, _, recipe = scanpath
    part = make_part(recipe, load_dataset("osie", small_osie), "fold-0")
    output = tmp_path / "cut"
    output.mkdir()
    keys = {name: key.hex() for name, key in read_segment_keys(run).items()}
    write_segment_keys(output, keys)
    epochs = []

    def interrupt():
        epochs.append(1)
        if len(epochs) == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_branch(recipe, output, part, 0, 0, interrupt)
    assert not branch_path(output, "fold-0", "head", 0).exists()
    train_branch(recipe, output, part, 0, 0, lambda: None)
    whole, resumed = (
        read_tensors(branch_path(folder, "fold-0", "head", 0)) for folder in (run, output)
    )
    assert whole.keys() == resumed.keys()
    for key, tensor in whole.items():
        assert torch.equal(tensor, resumed[key]), key


def test_a_checkpoint_that_is_not_there_shows_before_any_work(spatial, small_osie, tmp_path):
    recipe = scanpath_recipe(spatial, small_osie)
    recipe = recipe.model_copy(update={"start": {"": tmp_path / "none.safetensors"}})
    with pytest.raises(WeightsError, match=r"none\.safetensors: no such checkpoint"):
        train(recipe, tmp_path / "run", resume=False, on_progress=quiet)
    assert not (tmp_path / "run").exists()
