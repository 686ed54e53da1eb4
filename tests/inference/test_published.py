"""Published files that load, and what else may lie in their place."""

import os
import pickle
import urllib.error
import urllib.request
import warnings

import numpy as np
import pytest
import torch

from foregaze.backbones.downloads import cached_download
from foregaze.errors import UnknownNameError, WeightsError
from foregaze.inference import published
from foregaze.inference.published import read_deepgaze, with_networks
from foregaze.inference.zoo import load_model
from foregaze.models.deepgaze_msdb import DeepGazeMSDBConfig
from foregaze.models.deepgaze_release import CENTERBIAS, RELEASES
from tests.inference.toy_deepgaze import picture, save_toy
from tests.models.release_files import fill, layout, write_release


@pytest.fixture(scope="module")
def tensors():
    return fill(layout("deepgaze3"))


@pytest.fixture(scope="module")
def release(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "deepgaze3.pth"
    write_release(path, tensors)
    return path


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No network, and an empty cache."""

    def refuse(address, **options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def message_of(path, name="deepgaze3") -> str:
    """Why a file is refused, in one line."""
    with pytest.raises(WeightsError) as refused:
        load_model(name, checkpoint=path, device="cpu")
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


def test_a_release_file_is_all_that_is_needed(release, offline):
    model = load_model("deepgaze3", checkpoint=release, device="cpu")
    assert model.card == {"source": str(release)}
    prediction = model.predict(picture(), centerbias="uniform", pixels_per_degree=35.0)
    assert prediction.log_density.shape == (120, 160)


def test_a_name_alone_finds_the_release_in_the_cache(release, offline):
    for source, write in (
        (RELEASES["deepgaze3"].source, lambda path: os.link(release, path)),
        (CENTERBIAS.source, lambda path: np.save(path, np.full((8, 8), -np.log(64)))),
    ):
        path = cached_download(source)
        path.parent.mkdir(parents=True)
        write(path)
    model = load_model("deepgaze3", device="cpu")
    given = load_model("deepgaze3", checkpoint=release, device="cpu")
    image = picture()
    found = model.predict(image, pixels_per_degree=35.0).log_density
    expected = given.predict(image, pixels_per_degree=35.0, centerbias="uniform").log_density
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["deepgaze1", "deepgaze3"])
def test_without_a_network_the_message_names_file_and_place(offline, name):
    with pytest.raises(WeightsError) as missing:
        load_model(name)
    source = RELEASES[name].source
    assert str(missing.value) == (
        f"{source.partition('#')[0]}: cannot be downloaded (<urlopen error no route to host>); "
        f"offline, download it elsewhere and save it as {cached_download(source)}"
    )
    assert not [path for path in offline.rglob("*") if path.is_file()]


def test_a_cached_file_that_has_changed_is_an_error(offline):
    path = cached_download(RELEASES["deepgaze1"].source)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"changed")
    (path.parent / "sha256").write_text("0" * 64 + "\n")
    with pytest.raises(WeightsError, match=rf"^{path}: SHA-256 is [0-9a-f]+, expected 0+$"):
        load_model("deepgaze1")


def test_another_models_checkpoint_names_the_first_keys(release):
    message = message_of(release, "deepgaze1")
    assert (
        "does not fit the model: 2 keys missing (first: 'readout_network.conv0.weight')"
        in (message)
        or "keys missing" in message
    )
    assert "keys unexpected" in message


def test_a_tensor_of_another_shape_is_named_with_both(tensors, tmp_path):
    key = next(key for key, tensor in tensors.items() if tensor.ndim == 4)
    wrong = torch.zeros(3, 2)
    write_release(tmp_path / "wrong.pth", tensors | {key: wrong})
    expected = tuple(tensors[key].shape)
    message = message_of(tmp_path / "wrong.pth")
    assert message.endswith(f"{key} has shape (3, 2), expected {expected}")


def test_a_truncated_file_is_an_error(release, tmp_path):
    path = tmp_path / "cut.pth"
    path.write_bytes(release.read_bytes()[:-1000])
    assert "is no PyTorch file of plain tensors" in message_of(path)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04", b"\x80\x02."])
def test_what_is_no_pytorch_file_is_an_error(tmp_path, content):
    path = tmp_path / "none.pth"
    path.write_bytes(content)
    assert "is no PyTorch file of plain tensors" in message_of(path)


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_does_not_run(tensors, tmp_path, legacy):
    path, made = tmp_path / "code.pth", tmp_path / "made"
    content = {**tensors, "extra": Code(str(made))} if not legacy else Code(str(made))
    if legacy:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    assert "is no PyTorch file of plain tensors" in message_of(path)
    assert not made.exists()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.load(path, weights_only=False) if not legacy else pickle.loads(path.read_bytes())
    assert made.is_dir()  # the file would have done it


@pytest.mark.parametrize("content", [[1.0], {"a": 1}, torch.zeros(3)])
def test_a_file_of_something_else_than_named_tensors_is_an_error(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    assert message_of(tmp_path / "other.pth").endswith(
        "expected a dictionary of tensors (a state dict)"
    )


def test_nothing_of_a_file_that_does_not_fit_is_taken_over(tensors, tmp_path, monkeypatch):
    last = list(tensors)[-1]
    write_release(tmp_path / "short.pth", {k: x for k, x in tensors.items() if k != last})
    models = []
    load = published.load_published

    def watched(model, *arguments):
        before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        models.append((model, before))
        load(model, *arguments)

    monkeypatch.setattr(published, "load_published", watched)
    with pytest.raises(WeightsError, match=rf"1 keys missing \(first: '{last}'\)$"):
        read_deepgaze("deepgaze3", tmp_path / "short.pth")
    ((model, before),) = models
    assert all(
        torch.equal(tensor.nan_to_num(), before[key].nan_to_num())
        for key, tensor in model.state_dict().items()
    )


def test_deepgaze2_has_no_published_weights(release):
    with pytest.raises(WeightsError) as refused:
        load_model("deepgaze2")
    assert str(refused.value) == (
        "no weights of 'deepgaze2' are published for PyTorch: give checkpoint, a file of your own "
        "training (see configs/osie-deepgaze2.yaml)"
    )


def test_deepgaze2_loads_from_a_checkpoint_of_ours(tmp_path):
    path = save_toy(tmp_path / "own.safetensors", "deepgaze2", card={"dataset": "toy"})
    model = load_model("deepgaze2", checkpoint=path, device="cpu")
    assert model.card == {"dataset": "toy"}
    assert model.predict(picture(), pixels_per_degree=35.0).log_density.shape == (120, 160)


def test_networks_of_msdb_may_come_from_elsewhere():
    config = with_networks(DeepGazeMSDBConfig(), {"clip_rn50x64": "clip.safetensors"})
    assert config.frozen_weights[0] == "clip.safetensors"
    assert config.frozen_weights[1] == DeepGazeMSDBConfig().frozen_weights[1]


def test_a_network_that_is_part_of_the_checkpoint_has_no_other_source(release, tmp_path):
    with pytest.raises(UnknownNameError, match="'clip'; known: clip_rn50x64, dinov2_vitb14"):
        with_networks(DeepGazeMSDBConfig(), {"clip": "x"})
    with pytest.raises(UnknownNameError, match="unknown network with weights of its own"):
        load_model("deepgaze3", checkpoint=release, networks={"densenet201": "x"})
    toy = save_toy(tmp_path / "toy.safetensors", "deepgaze1")
    with pytest.raises(WeightsError, match="names the sources of its networks itself"):
        load_model(str(toy), networks={"alexnet": "x"})
