import numpy as np
import pytest

import foregaze
from tests.inference.toy_deepgaze import density_of, save_toy


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("source") / "toy.safetensors", "deepgaze3")


@pytest.fixture
def convert(run, source):
    def run_convert(
        *arguments, checkpoint=source, model="deepgaze3", output="out/ours.safetensors"
    ):
        return run("convert", checkpoint, "--model", model, "--output", output, *arguments)

    return run_convert


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_and_its_card_are_written(convert, tmp_path, photo):
    outcome = convert()
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "model: out/ours.safetensors\nmodel card: out/ours.md\n"
    assert names_in(tmp_path / "out") == ["ours.md", "ours.safetensors"]
    card = (tmp_path / "out" / "ours.md").read_text()
    assert card.startswith("# ours.safetensors\n")
    assert "Journal of Vision 22(5):7" in card
    model = foregaze.load_model(str(tmp_path / "out" / "ours.safetensors"))
    assert model.predict(photo, pixels_per_degree=35.0).log_density.shape == (60, 80)


def test_a_center_bias_is_put_in(convert, tmp_path):
    np.save(tmp_path / "prior.npy", density_of(30, 40))
    assert convert("--centerbias", "prior.npy").code == 0
    model = foregaze.load_model(str(tmp_path / "out" / "ours.safetensors"))
    assert model.model.config.centerbias_size == (30, 40)
    assert "40x30, from prior.npy" in (tmp_path / "out" / "ours.md").read_text()


@pytest.mark.parametrize("name", ["ours.safetensors", "ours.md"])
def test_earlier_files_are_replaced_only_on_demand(convert, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    assert f"out/{name}: exists already" in convert().error()
    assert names_in(tmp_path / "out") == [name]
    assert (tmp_path / "out" / name).read_text() == "mine"
    assert convert("--overwrite").code == 0
    assert (tmp_path / "out" / name).read_bytes() != b"mine"


def test_an_input_is_never_replaced(convert, source, tmp_path):
    content = source.read_bytes()
    assert "is an input; give another" in convert("--overwrite", output=source).error()
    assert source.read_bytes() == content


def test_another_ending_is_refused(convert, tmp_path):
    assert (
        "out.pth: the file's name should end in .safetensors" in convert(output="out.pth").error()
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "deepgaze9"}, "unknown DeepGaze model 'deepgaze9'; known: deepgaze-msdb"),
        ({"model": "deepgaze1"}, "is a checkpoint of 'deepgaze3', not of 'deepgaze1'"),
        ({"checkpoint": "none.pth"}, "none.pth: no such weights file"),
        ({"checkpoint": "text.pth"}, "text.pth: is damaged or incomplete"),
    ],
)
def test_what_cannot_be_converted_leaves_nothing(convert, tmp_path, changes, message):
    (tmp_path / "text.pth").write_text("text")
    assert message in convert(**changes).error()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((4, 4)), "prior.npy: centerbias sums to 16 after exp, expected 1"),
        (np.zeros(4), "prior.npy: holds float64 of shape (4,), expected floating point numbers"),
        (None, "prior.npy: cannot be read"),
    ],
)
def test_a_wrong_center_bias_leaves_nothing(convert, tmp_path, content, message):
    if content is not None:
        np.save(tmp_path / "prior.npy", content)
    assert message in convert("--centerbias", "prior.npy").error()
    assert not (tmp_path / "out").exists()
