import shutil

import pytest
import torch
from safetensors.torch import save_file

from foregaze.errors import ConfigError, WeightsError
from foregaze.models.checkpoint import load_checkpoint, save_checkpoint
from foregaze.models.checkpoint_file import read_header, read_tensors
from foregaze.models.next_fixation import Past
from foregaze.models.scanpath_mixture import (
    ScanpathMixture,
    ScanpathMixtureConfig,
    read_trunk_mixture,
)
from tests.inference.toy_deepgaze import save_toy
from tests.inference.toy_scanpath import COMPONENTS, save_toy_scanpath, toy_scanpath

INPUT = (96, 128)


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return toy_scanpath(tiny_checkpoint)


@pytest.fixture
def spatial(tiny_checkpoint, tmp_path):
    """A spatial checkpoint of this test's own."""
    return shutil.copy(tiny_checkpoint, tmp_path / "spatial.safetensors")


def inputs(model, size=INPUT):
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(1, 3, *size, generator=generator) * 255
    grid = tuple(side // model.spatial.config.density_stride for side in size)
    scores = torch.randn(1, *grid, generator=generator)
    return pixels, scores - scores.logsumexp((-2, -1), keepdim=True)


@torch.no_grad()
def test_an_image_alone_decides_what_the_spatial_model_says_of_it(model):
    pixels, prior = inputs(model)
    log_density, features = model(pixels, prior)
    torch.testing.assert_close(log_density, model.spatial(pixels, prior), rtol=0, atol=0)
    trunk = model.spatial.trunk
    stage = model.config.fixation.stage
    torch.testing.assert_close(features, trunk(pixels)[stage], rtol=0, atol=0)
    assert features.shape[-1] * model.stride == pixels.shape[-1]
    assert features.shape[1] == trunk.channels[stage]


@torch.no_grad()
def test_components_have_parameters_of_their_own(model):
    pixels, prior = inputs(model)
    log_density, features = model(pixels, prior)
    past = Past(torch.full((1, 4), 60.0), torch.full((1, 4), 30.0))
    found = []
    for viewer in model.components:
        scene = viewer.fixation.scene(log_density[0], prior[0], features[0], float(model.stride))
        found.append(viewer.fixation(scene, past))
    assert len(found) == COMPONENTS
    assert (found[0] - found[1]).abs().max() > 0.1


def test_what_is_saved_comes_back(model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(model, path, {"dataset": "toy"})
    loaded = load_checkpoint(path).model
    assert isinstance(loaded, ScanpathMixture)
    assert loaded.config == model.config
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], tensor, rtol=0, atol=0)
    assert not loaded.training
    assert not loaded.spatial.training


def test_the_spatial_model_is_not_in_the_file_and_not_trained(model):
    assert not [key for key in model.trained_tensors() if key.startswith("spatial.")]
    assert "viewing_ms" in model.trained_tensors()
    assert not any(parameter.requires_grad for parameter in model.spatial.parameters())
    assert all(parameter.requires_grad for parameter in model.viewers.parameters())


def test_an_untrained_model_starts_at_the_spatial_density(tiny_checkpoint):
    torch.manual_seed(0)
    model = ScanpathMixture(ScanpathMixtureConfig(spatial=str(tiny_checkpoint))).eval()
    pixels, prior = inputs(model)
    log_density, features = model(pixels, prior)
    (viewer,) = model.components
    scene = viewer.fixation.scene(log_density[0], prior[0], features[0], float(model.stride))
    past = Past(torch.full((1, 4), 60.0), torch.full((1, 4), 30.0))
    torch.testing.assert_close(viewer.fixation(scene, past), log_density, rtol=0, atol=1e-5)


def test_a_changed_spatial_model_is_refused(spatial, tmp_path):
    path = save_toy_scanpath(tmp_path / "model.safetensors", spatial)
    load_checkpoint(path)
    weights = spatial.read_bytes()
    spatial.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(WeightsError, match=r"with SHA-256 \w{64}, but .*spatial.safetensors has "):
        load_checkpoint(path)


def test_a_missing_spatial_model_is_named(spatial, tmp_path):
    path = save_toy_scanpath(tmp_path / "model.safetensors", spatial)
    spatial.unlink()
    message = rf"model\.safetensors: wants .* \({spatial}: no such weights file; a path there "
    with pytest.raises(WeightsError, match=message):
        load_checkpoint(path)


def test_another_architecture_is_no_spatial_model(tmp_path, tiny_checkpoint):
    other = save_toy(tmp_path / "other.safetensors", "deepgaze1")
    message = r"other.safetensors: is a checkpoint of 'deepgaze1', expected 'trunk-mixture', a spa"
    with pytest.raises(WeightsError, match=message):
        toy_scanpath(other)
    itself = save_toy_scanpath(tmp_path / "scanpath.safetensors", tiny_checkpoint)
    with pytest.raises(WeightsError, match="is a checkpoint of 'scanpath-mixture', expected"):
        toy_scanpath(itself)


def test_a_spatial_model_whose_backbone_has_changed_is_refused(spatial):
    header = read_header(spatial).model_copy(update={"trunk_sha256": "0" * 64})
    save_file(read_tensors(spatial), spatial, {"foregaze": header.model_dump_json()})
    with pytest.raises(WeightsError, match="backbone's weights are not those that it was trained"):
        read_trunk_mixture(spatial)


@pytest.mark.parametrize("stage", [3, 6, 99, -1])
def test_a_stage_that_the_trunk_does_not_give_is_an_error(tiny_checkpoint, stage):
    with pytest.raises(ConfigError, match=rf"trunk gives stages \[2, 4\], not {stage}$"):
        toy_scanpath(tiny_checkpoint, fixation={"stage": stage})


def test_a_tensor_of_another_shape_is_an_error(tiny_checkpoint, tmp_path):
    path = save_toy_scanpath(tmp_path / "model.safetensors", tiny_checkpoint)
    content = path.read_bytes()
    changed = content.replace(b'\\"content\\":16', b'\\"content\\":12')
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(WeightsError, match=r"has shape \(.*16.*\), expected \(.*12"):
        load_checkpoint(path)
