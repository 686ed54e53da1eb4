"""Published files that load, and what else may lie in their place."""

import os
import pickle
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from foregaze.backbones.downloads import cached_download
from foregaze.backbones.tapped import TAPPED, TappedNetwork, create_tapped
from foregaze.errors import UnknownNameError, WeightsError
from foregaze.inference import published
from foregaze.inference.convert import read_for_conversion
from foregaze.inference.published import read_deepgaze, with_networks
from foregaze.inference.zoo import load_model
from foregaze.models.deepgaze_config import PUBLISHED, BackboneConfig
from foregaze.models.deepgaze_msdb import DeepGazeMSDB, DeepGazeMSDBConfig
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
    assert "weights_only" not in message
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
    message = rf"^{path}: differs from the file .*delete {path.parent / 'sha256'} to accept it$"
    with pytest.raises(WeightsError, match=message):
        load_model("deepgaze1")


@pytest.mark.parametrize("junk", [b"<html>Sign in</html>", "another model"])
def test_the_right_file_can_follow_junk_in_the_cache(release, offline, tmp_path, junk):
    path = cached_download(RELEASES["deepgaze3"].source)
    path.parent.mkdir(parents=True)
    if junk == "another model":
        write_release(path, fill(layout("deepgazemsdb")))
    else:
        path.write_bytes(junk)
    centerbias = cached_download(CENTERBIAS.source)
    centerbias.parent.mkdir(parents=True)
    np.save(centerbias, np.full((8, 8), -np.log(64)))
    with pytest.raises(WeightsError, match=r"download it again|does not fit the model"):
        load_model("deepgaze3", device="cpu")
    path.unlink()
    os.link(release, path)
    assert load_model("deepgaze3", device="cpu").card == {"source": str(path)}


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
    assert message_of(path).endswith("is damaged or incomplete: download it again")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04", b"\x80\x02."])
def test_what_is_no_pytorch_file_is_an_error(tmp_path, content):
    path = tmp_path / "none.pth"
    path.write_bytes(content)
    assert message_of(path).endswith("is damaged or incomplete: download it again")


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
    assert "holds more than tensors (code or other objects), and was not loaded" in message_of(path)
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
        "training (see docs/training.md)"
    )


def test_deepgaze2_takes_no_published_file(release):
    with pytest.raises(WeightsError) as refused:
        load_model("deepgaze2", checkpoint=release)
    assert str(refused.value) == (
        f"{release}: no weights of 'deepgaze2' are published for PyTorch; expected a .safetensors "
        "file of your own training"
    )


def test_deepgaze2_loads_from_a_checkpoint_of_ours(tmp_path):
    path = save_toy(tmp_path / "own.safetensors", "deepgaze2", card={"dataset": "toy"})
    model = load_model("deepgaze2", checkpoint=path, device="cpu")
    assert model.card == {"dataset": "toy"}
    assert model.predict(picture(), pixels_per_degree=35.0).log_density.shape == (120, 160)


class ToyClip(nn.Sequential):
    """In place of a network of 365 million parameters."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5))


class ToyDino(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, 4, 14, stride=14)})
        self.norm = nn.LayerNorm(4)  # behind the tap

    def forward(self, x):
        return self.patch_embed["proj"](x)


@pytest.fixture
def toy_msdb(monkeypatch, tmp_path):
    """DeepGaze MSDB on toy networks; files of the networks' weights by name."""
    normal = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    nowhere = "hub:nobody/nowhere/clip.safetensors"
    missing = "https://example.org/dino.pth#sha256=0123456789"
    monkeypatch.setitem(TAPPED, "clip_rn50x64", TappedNetwork(ToyClip, nowhere, **normal))
    monkeypatch.setitem(TAPPED, "dinov2_vitb14", TappedNetwork(ToyDino, missing, **normal))
    on_toys = (
        BackboneConfig(name="clip_rn50x64", taps=("1",), weights=PUBLISHED),
        BackboneConfig(name="dinov2_vitb14", taps=("patch_embed.proj",), weights=PUBLISHED),
    )

    class ToyConfig(DeepGazeMSDBConfig):
        backbones: tuple[BackboneConfig, ...] = on_toys

    monkeypatch.setattr(DeepGazeMSDB, "Config", ToyConfig)
    networks = {}
    for name, kind in (("clip_rn50x64", ToyClip), ("dinov2_vitb14", ToyDino)):
        shapes = {key: tuple(x.shape) for key, x in kind().state_dict().items()}
        networks[name] = str(tmp_path / f"{name}.pth")
        write_release(tmp_path / f"{name}.pth", fill(shapes))
    return networks


def head_of_msdb():
    """The head's tensors, made for the channels of the toy networks."""
    shapes = layout("deepgazemsdb")
    for key in ("layernorm0.weight", "layernorm0.bias"):
        shapes[f"saliency_network.{key}"] = (9,)
    shapes["saliency_network.conv0.weight"] = (8, 9, 1, 1)
    return fill(shapes)


def whole_msdb(networks):
    """What `torch.save(model.state_dict())` leaves of the published model."""
    tensors = head_of_msdb()
    for name, prefix in (("clip_rn50x64", "CLIP"), ("dinov2_vitb14", "DINOv2")):
        for key, tensor in torch.load(networks[name]).items():
            tensors[f"features.backbone.feature_extractors.{prefix}.features.1.{key}"] = tensor
    for key in ("weight", "bias"):
        prefix = "features.backbone.feature_extractors.DINOv2."
        own = tensors[f"{prefix}features.1.patch_embed.proj.{key}"]
        tensors[f"{prefix}output_dimension_providing_layer.{key}"] = own
    return tensors


def test_a_whole_state_dict_of_msdb_is_all_that_is_needed(toy_msdb, offline, tmp_path):
    write_release(tmp_path / "head.pth", head_of_msdb())
    write_release(tmp_path / "whole.pth", whole_msdb(toy_msdb))
    whole = load_model("deepgaze-msdb", checkpoint=tmp_path / "whole.pth", device="cpu")
    parts = load_model(
        "deepgaze-msdb", checkpoint=tmp_path / "head.pth", device="cpu", networks=toy_msdb
    )
    options = {"centerbias": "uniform", "pixels_per_degree": 20.0}
    found = whole.predict(picture(), **options).log_density
    np.testing.assert_array_equal(found, parts.predict(picture(), **options).log_density)
    assert whole.model.config.frozen_weights == ()
    assert "backbones.0.network.0.weight" in whole.model.trained_tensors()
    assert "backbones.0.network.0.weight" not in parts.model.trained_tensors()
    with pytest.raises(WeightsError, match=r"whole.pth: holds its networks itself"):
        load_model("deepgaze-msdb", checkpoint=tmp_path / "whole.pth", networks=toy_msdb)


@pytest.mark.parametrize("missing", ["CLIP.", "DINOv2.", "DINOv2.output", "CLIP.features.1.0.bias"])
def test_a_part_of_the_networks_of_msdb_is_an_error(toy_msdb, offline, tmp_path, missing):
    prefix = f"features.backbone.feature_extractors.{missing}"
    tensors = {k: x for k, x in whole_msdb(toy_msdb).items() if not k.startswith(prefix)}
    write_release(tmp_path / "part.pth", tensors)
    message = message_of(tmp_path / "part.pth", "deepgaze-msdb")
    assert f"keys missing (first: '{prefix}" in message


def test_a_file_that_does_not_fit_msdb_is_refused_before_a_network_is_fetched(
    toy_msdb, offline, release, monkeypatch
):
    monkeypatch.setattr(published, "resolve_weights", lambda source: Path(source))
    monkeypatch.setattr(published, "_fetch_networks", lambda _: pytest.fail("fetched"))
    message = message_of(release, "deepgaze-msdb")
    assert "does not fit the model: 25 keys missing" in message


def test_a_network_of_msdb_that_cannot_be_had_says_how_to_give_it(toy_msdb, offline, tmp_path):
    write_release(tmp_path / "head.pth", head_of_msdb())
    with pytest.raises(WeightsError) as missing:
        load_model("deepgaze-msdb", checkpoint=tmp_path / "head.pth", device="cpu")
    assert str(missing.value) == (
        "hub:nobody/nowhere/clip.safetensors: cannot be downloaded (<urlopen error no route to "
        "host>); offline, save https://huggingface.co/nobody/nowhere/resolve/main/"
        'clip.safetensors anywhere and give its path instead (networks={"clip_rn50x64": PATH})'
    )
    clip = {"clip_rn50x64": toy_msdb["clip_rn50x64"]}
    with pytest.raises(WeightsError, match=r'\(networks=\{"dinov2_vitb14": PATH\}\)$'):
        load_model("deepgaze-msdb", checkpoint=tmp_path / "head.pth", networks=clip)


def test_networks_of_msdb_may_come_from_elsewhere():
    config = with_networks(DeepGazeMSDBConfig(), {"clip_rn50x64": "clip.safetensors"})
    assert config.frozen_weights[0] == "clip.safetensors"
    assert config.frozen_weights[1] == DeepGazeMSDBConfig().frozen_weights[1]


def test_a_network_that_is_part_of_the_checkpoint_has_no_other_source(release, tmp_path):
    with pytest.raises(UnknownNameError, match="'clip'; known: clip_rn50x64, dinov2_vitb14"):
        with_networks(DeepGazeMSDBConfig(), {"clip": "x"})
    with pytest.raises(WeightsError) as refused:
        load_model("deepgaze3", checkpoint=release, networks={"densenet201": "x"})
    assert str(refused.value) == (
        "sources are given for densenet201, but the networks of this model are part of its "
        "checkpoint: leave out networks"
    )
    toy = save_toy(tmp_path / "toy.safetensors", "deepgaze1")
    with pytest.raises(UnknownNameError, match=r"'alexnet'; known: tf_efficientnet_lite0$"):
        load_model(str(toy), networks={"alexnet": "x"})


@pytest.fixture
def own_networks(tmp_path):
    """Weights of AlexNet in a file, and a checkpoint of ours that names it."""
    weights = tmp_path / "old" / "alexnet.safetensors"
    weights.parent.mkdir()
    toy = create_tapped("alexnet", ("features.10",), "random:0")
    save_file(dict(published_tensors(toy)), weights)
    backbone = BackboneConfig(name="alexnet", taps=("features.10",), weights=str(weights))
    return weights, save_toy(tmp_path / "own.safetensors", "deepgaze1", backbones=(backbone,))


def published_tensors(backbone):
    """Random tensors in the layout of its weights file."""
    generator = torch.Generator().manual_seed(0)
    for key, shape in backbone.published_shapes.items():
        yield key, torch.randn(shape, generator=generator) * 0.01


def test_a_checkpoint_of_ours_finds_its_networks_where_they_are_now(own_networks, tmp_path):
    weights, checkpoint = own_networks
    expected = load_model(str(checkpoint), device="cpu").predict(picture(), pixels_per_degree=35.0)
    moved = weights.rename(tmp_path / "moved.safetensors")
    with pytest.raises(WeightsError, match="no such weights file"):
        load_model(str(checkpoint), device="cpu")
    model = load_model(str(checkpoint), device="cpu", networks={"alexnet": str(moved)})
    found = model.predict(picture(), pixels_per_degree=35.0)
    np.testing.assert_array_equal(found.log_density, expected.log_density)
    tensors = load_file(moved)
    tensors["features.0.bias"] += 1
    save_file(tensors, moved)
    with pytest.raises(WeightsError, match=r"was made with networks of SHA-256 [0-9a-f]{64}, but"):
        load_model(str(checkpoint), device="cpu", networks={"alexnet": str(moved)})


def test_a_converted_checkpoint_holds_absolute_paths(own_networks, tmp_path, monkeypatch):
    weights, checkpoint = own_networks
    monkeypatch.chdir(tmp_path)
    networks = {"alexnet": "old/alexnet.safetensors"}
    converted = read_for_conversion("deepgaze1", str(checkpoint), networks=networks)
    assert converted.model.config.frozen_weights == (str(weights),)
    converted.save(tmp_path / "again.safetensors")
    monkeypatch.chdir("/")
    assert load_model(str(tmp_path / "again.safetensors"), device="cpu").name


def test_the_center_bias_of_mit1003_may_be_missing_until_it_is_needed(release, offline):
    path = cached_download(RELEASES["deepgaze3"].source)
    path.parent.mkdir(parents=True)
    os.link(release, path)
    model = load_model("deepgaze3", device="cpu")
    with pytest.raises(WeightsError, match="the center bias of MIT1003 is not here: save "):
        model.predict(picture(), pixels_per_degree=35.0)
