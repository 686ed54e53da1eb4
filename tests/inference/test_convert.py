import urllib.request

import huggingface_hub
import numpy as np
import pytest
import torch

from foregaze.backbones.downloads import file_sha256
from foregaze.errors import DataError, ShapeError, UnknownNameError, WeightsError
from foregaze.inference.convert import CITATIONS, read_for_conversion
from foregaze.inference.zoo import load_model
from foregaze.models import MODELS
from foregaze.models.checkpoint_file import read_header, read_tensors
from foregaze.models.deepgaze3 import DeepGaze3, DeepGaze3Config
from foregaze.models.deepgaze_release import load_published
from tests.inference.toy_deepgaze import density_of, picture, save_toy
from tests.models.release_files import fill, layout, write_release

SEEN = {"pixels_per_degree": 35.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("convert")


@pytest.fixture(scope="module")
def release(folder):
    path = folder / "deepgaze3.pth"
    write_release(path, fill(layout("deepgaze3")))
    return path


@pytest.fixture(scope="module")
def converted(release, folder):
    path = folder / "ours.safetensors"
    read_for_conversion("deepgaze3", str(release)).save(path)
    return path


def test_every_deepgaze_model_has_its_paper():
    assert {"trunk-mixture", "scanpath-mixture", *CITATIONS} == set(MODELS)


def test_a_converted_checkpoint_predicts_the_same_to_the_last_bit(release, converted):
    given = {"centerbias": density_of(120, 160), "x_hist": [9.0, 8.0], "y_hist": [7.0, 6.0], **SEEN}
    theirs = load_model("deepgaze3", checkpoint=release, device="cpu").predict(picture(), **given)
    for ours in (
        load_model(str(converted), device="cpu"),
        load_model("deepgaze3", checkpoint=converted, device="cpu"),
    ):
        found = ours.predict(picture(), **given).log_density
        np.testing.assert_array_equal(found, theirs.log_density)


def test_no_number_is_changed(converted):
    model = DeepGaze3(DeepGaze3Config())
    load_published(model, fill(layout("deepgaze3")), "filled by the rule")
    expected = model.trained_tensors()
    found = read_tensors(converted)
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert found[key].dtype == tensor.dtype, key
        assert torch.equal(found[key], tensor), key


def test_the_header_says_where_the_numbers_come_from(release, converted):
    header = read_header(converted)
    assert header.architecture == "deepgaze3"
    assert header.trunk_sha256 is None
    assert header.card["source"] == "deepgaze3.pth"
    assert header.card["source_sha256"] == file_sha256(release)
    assert header.card["licence"] == "not stated by its authors"


def test_the_card_says_what_it_is_used_with(release):
    page = read_for_conversion("deepgaze3", str(release)).page(release.with_suffix(".safetensors"))
    assert page.startswith("# deepgaze3.safetensors\n")
    for text in (
        "| architecture | `deepgaze3`: DeepGaze III",
        f"| SHA-256 of the source | `{file_sha256(release)}` |",
        "| licence | not stated by its authors |",
        "Journal of Vision 22(5):7 |",
        "| networks | densenet201 in this file |",
        "| images | 35 pixels per degree of visual angle",
        "| center bias | none in this file: save centerbias_mit1003.npy beside it",
        "| history | the last 4 fixations, oldest first",
        'foregaze.load_model("deepgaze3.safetensors")',
    ):
        assert text in page, text


def test_the_code_on_the_card_is_python(release):
    page = read_for_conversion("deepgaze3", str(release)).page(release.with_suffix(".safetensors"))
    code = page.partition("```python\n")[2].partition("```")[0]
    compile(code, "card", "exec")


def test_a_center_bias_becomes_the_models_own(folder):
    source = save_toy(folder / "bare.safetensors", "deepgaze1", centerbias_size=None)
    prior = density_of(120, 160)
    np.save(folder / "prior.npy", prior)
    converted = read_for_conversion("deepgaze1", str(source), folder / "prior.npy")
    converted.save(folder / "with.safetensors")
    header = read_header(folder / "with.safetensors")
    assert header.config["centerbias_size"] == [120, 160]
    assert header.card["centerbias"] == "prior.npy"
    assert "in this file, 160x120, from prior.npy; resized" in converted.page(source)
    model = load_model(str(folder / "with.safetensors"), device="cpu")
    np.testing.assert_array_equal(model.model.centerbias.numpy(), prior.astype(np.float32))
    own = model.predict(picture(), **SEEN).log_density
    given = load_model(str(source), device="cpu").predict(picture(), centerbias=prior, **SEEN)
    np.testing.assert_allclose(own, given.log_density, atol=1e-5)


def test_mit1003s_center_bias_is_the_same_in_a_checkpoint_and_beside_it(tmp_path):
    source = save_toy(tmp_path / "bare.safetensors", "deepgaze1", centerbias_size=None)
    square = density_of(50, 50).astype(np.float32)
    np.save(tmp_path / "centerbias_mit1003.npy", square)
    file = tmp_path / "centerbias_mit1003.npy"
    (tmp_path / "elsewhere").mkdir()
    inside = tmp_path / "elsewhere" / "inside.safetensors"
    read_for_conversion("deepgaze1", str(source), file).save(inside)
    beside, within = (
        load_model(str(path), device="cpu").predict(picture(), **SEEN).log_density
        for path in (source, inside)
    )
    np.testing.assert_allclose(within, beside, rtol=3e-6)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (np.zeros((4, 4)), ShapeError, "centerbias sums to 16 after exp, expected 1"),
        (np.zeros((1, 4, 4)), DataError, r"holds float64 of shape \(1, 4, 4\), expected floating"),
        (np.array([[-np.log(2), -np.log(2), -np.inf]]), ShapeError, "is minus infinity somewhere"),
        (None, DataError, "cannot be read"),
    ],
)
def test_a_wrong_center_bias_is_an_error(release, tmp_path, content, error, message):
    if content is not None:
        np.save(tmp_path / "prior.npy", content)
    with pytest.raises(error, match=rf"prior\.npy: {message}"):
        read_for_conversion("deepgaze3", str(release), tmp_path / "prior.npy")


def test_a_card_keeps_what_it_said_of_training(tmp_path):
    card = {"dataset": "osie", "images": ["1001.jpg"], "licence": "MIT"}
    source = save_toy(tmp_path / "own.safetensors", "deepgaze2", card=card)
    converted = read_for_conversion("deepgaze2", str(source))
    assert card.items() <= converted.card.items()
    assert "| licence | MIT |" in converted.page(source)
    assert "tf_efficientnet_lite0 from `random:0`" in converted.page(source)


def test_what_is_not_of_the_model_is_an_error(release, tmp_path):
    with pytest.raises(WeightsError, match=r"deepgaze3\.pth: does not fit the model"):
        read_for_conversion("deepgaze1", str(release))
    with pytest.raises(WeightsError, match="no weights of 'deepgaze2' are published"):
        read_for_conversion("deepgaze2", str(release))
    with pytest.raises(UnknownNameError, match="unknown DeepGaze model 'default'; known: deepgaze"):
        read_for_conversion("default", str(release))
    with pytest.raises(WeightsError, match="no such weights file"):
        read_for_conversion("deepgaze3", str(tmp_path / "none.pth"))
    toy = save_toy(tmp_path / "toy.safetensors", "deepgaze1")
    with pytest.raises(WeightsError, match="is a checkpoint of 'deepgaze1', not of 'deepgaze3'"):
        read_for_conversion("deepgaze3", str(toy))


def test_missing_networks_of_msdb_are_all_named(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *arguments: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, **options: refuse())
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    write_release(tmp_path / "msdb.pth", fill(layout("deepgazemsdb")))
    with pytest.raises(WeightsError) as missing:
        read_for_conversion("deepgaze-msdb", str(tmp_path / "msdb.pth"))
    message = str(missing.value)
    assert "\n" not in message
    assert "are not part of its checkpoint" in message
    assert "2 cannot be had: " in message
    for backbone in MODELS["deepgaze-msdb"].Config().backbones:
        assert backbone.source.partition("#")[0] in message


def test_msdb_names_its_networks_by_their_source(tmp_path):
    source = save_toy(tmp_path / "msdb.safetensors", "deepgaze-msdb")
    converted = read_for_conversion("deepgaze-msdb", str(source))
    converted.save(tmp_path / "again.safetensors")
    before, after = (
        load_model(str(path), device="cpu").predict(picture(), **SEEN).log_density
        for path in (source, tmp_path / "again.safetensors")
    )
    np.testing.assert_array_equal(before, after)
    assert "| images | any; give `pixels_per_degree`" in converted.page(source)
