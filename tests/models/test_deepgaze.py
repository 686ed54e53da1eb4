"""What all DeepGaze models share, on networks of two convolutions."""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from foregaze.backbones.staged_taps import StagedTaps
from foregaze.backbones.tapped import TappedBackbone
from foregaze.errors import ShapeError
from foregaze.models import deepgaze
from foregaze.models.deepgaze import create_frozen, run_frozen, without_tf32
from foregaze.models.deepgaze1 import DeepGaze1, DeepGaze1Config
from foregaze.models.deepgaze2e import DeepGaze2E, DeepGaze2EConfig
from foregaze.models.deepgaze3 import DeepGaze3, DeepGaze3Config
from foregaze.models.deepgaze_config import BackboneConfig
from tests.models.toy_heads import assert_close, numbers

ALEXNET = BackboneConfig(name="alexnet", taps=("features.0",), weights="random:0")


class TwoConvolutions(nn.Module):
    channels = (5, 4)

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 5, 8, stride=8), nn.Conv2d(3, 4, 14, stride=14)
        for number, parameter in enumerate(self.parameters()):
            parameter.data = numbers(seed + number, *parameter.shape) / 9

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return [self.a(pixels / 255), self.b(pixels / 255)]


@pytest.fixture
def two_networks(monkeypatch: pytest.MonkeyPatch) -> tuple[BackboneConfig, ...]:
    monkeypatch.setattr(deepgaze, "create_frozen", lambda b: TwoConvolutions(int(b.name)))
    return tuple(BackboneConfig(name=n, taps=("a",), weights="random:0") for n in ("100", "200"))


def scattered(model: nn.Module) -> nn.Module:
    """With other parameters than it begins with, in float64."""
    model.double()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.add_(numbers(number, *parameter.shape) / 5)
    return model


PIXELS = 255 * numbers(50, 3, 3, 75, 101).sigmoid()
CENTERBIAS = numbers(51, 3, 75, 101)


@torch.inference_mode()
def test_density_is_the_mean_of_all_components_of_all_heads(two_networks):
    model = scattered(DeepGaze2E(DeepGaze2EConfig(backbones=two_networks, components=3)))
    grid = model.grid((75, 101))
    sampled = CENTERBIAS[:, :74:2, :100:2]
    densities = []
    for number, head in enumerate(model.heads):
        features = model.backbones[number](PIXELS[:, :, :74:2, :100:2])
        parts = torch.cat(list(head(features, grid, sampled)), 1)
        densities += [grid.repeated(part).exp() for part in parts.unbind(1)]
    assert len(densities) == 6
    assert all((x.sum((-2, -1)) - 1).abs().max().item() < 1e-12 for x in densities)
    assert_close(model(PIXELS, CENTERBIAS), torch.stack(densities).mean(0).log(), atol=1e-12)


@torch.inference_mode()
def test_exp_of_the_density_sums_to_one(two_networks):
    model = scattered(DeepGaze2E(DeepGaze2EConfig(backbones=two_networks, components=2)))
    for height, width in [(75, 101), (64, 96), (33, 58)]:
        ours = model(PIXELS[:, :, :height, :width], CENTERBIAS[:, :height, :width])
        assert ours.shape == (3, height, width)
        assert ours.logsumexp((-2, -1)).abs().max().item() < 1e-12


@torch.inference_mode()
def test_images_of_a_batch_do_not_mix(two_networks):
    model = scattered(DeepGaze3(DeepGaze3Config(backbones=two_networks[:1], components=2)))
    x_hist, y_hist = 90 * numbers(1, 3, 4).sigmoid(), 70 * numbers(2, 3, 4).sigmoid()
    x_hist[0, 2:], y_hist[0, 2:] = torch.nan, torch.nan
    x_hist[1], y_hist[1] = torch.nan, torch.nan
    given = (PIXELS, CENTERBIAS, x_hist, y_hist)
    singles = [model(*(x[i, None] for x in given)) for i in range(3)]
    assert_close(model(*given), torch.cat(singles), atol=1e-10)


@torch.inference_mode()
def test_the_center_bias_decides_the_precision_of_the_density(two_networks):
    model = scattered(DeepGaze2E(DeepGaze2EConfig(backbones=two_networks, components=2)))
    exact = model(PIXELS, CENTERBIAS)
    single = model.float()(PIXELS.float(), CENTERBIAS.float())
    mixed = model(PIXELS.float(), CENTERBIAS)
    assert [x.dtype for x in (single, mixed)] == [torch.float32, torch.float64]
    assert_close(single, exact, atol=2e-5)
    assert_close(mixed, exact, atol=2e-5)
    assert mixed.logsumexp((-2, -1)).abs().max().item() < 1e-12


@torch.inference_mode()
def test_an_image_smaller_than_a_cell_of_the_density_is_refused(two_networks):
    model = DeepGaze3(DeepGaze3Config(backbones=two_networks[:1], components=2)).double()
    with pytest.raises(ShapeError, match="image of 101x3 pixels is too small"):
        model(PIXELS[:, :, :3], CENTERBIAS[:, :3], torch.zeros(3, 4), torch.zeros(3, 4))


def test_readout_grid_has_the_size_of_the_published_models(two_networks):
    image_size = (768, 1024)
    features = [torch.zeros(1, 5, 24, 32)]
    expected = {DeepGaze1: (96, 128), DeepGaze3: (96, 128), DeepGaze2E: (24, 32)}
    for kind, size in expected.items():
        head = kind(kind.Config(backbones=two_networks[:1], components=1)).heads[0]
        grid = head.readout_grid(features, image_size)
        assert tuple(len(axis.place) for axis in (grid.rows, grid.columns)) == size
    odd = head.readout_grid(features, (150, 202))
    assert (len(odd.rows.place), len(odd.columns.place)) == (5, 7)


def test_networks_are_cut_from_torchvisions_or_staged_from_timms():
    assert isinstance(create_frozen(ALEXNET), TappedBackbone)
    timms = BackboneConfig(name="tf_efficientnet_lite0", taps=("1",), weights="random:0")
    assert isinstance(create_frozen(timms), StagedTaps)


@pytest.mark.parametrize("weights", [None, "random:0"])
def test_a_checkpoint_holds_frozen_weights_only_where_nothing_else_does(weights):
    network = ALEXNET.model_copy(update={"weights": weights})
    model = DeepGaze1(DeepGaze1Config(backbones=(network,), centerbias_size=(12, 16)))
    stored = set(model.trained_tensors())
    frozen = {key for key in model.state_dict() if key.startswith("backbones.")}
    heads = {key for key in model.state_dict() if key.startswith("heads.")}
    assert frozen
    assert heads
    assert stored == heads | {"centerbias"} | (set() if weights else frozen)


def test_frozen_networks_are_not_trained():
    model = DeepGaze1(DeepGaze1Config(backbones=(ALEXNET,))).train()
    assert model.training
    assert not any(module.training for module in model.backbones[0].modules())
    assert not any(p.requires_grad for p in model.backbones.parameters())
    assert all(p.requires_grad for p in model.heads.parameters())


def test_a_member_is_one_component_by_itself(two_networks):
    model = scattered(DeepGaze2E(DeepGaze2EConfig(backbones=two_networks, components=3)))
    grid, sampled = model.grid((75, 101)), CENTERBIAS[:, :74:2, :100:2]
    features = model.features(PIXELS, 1)
    together = torch.cat(list(model.heads[1](features, grid, sampled)), 1)
    for k in range(3):
        (alone,) = model.heads[1].member(k)(features, grid, sampled)
        assert_close(alone[:, 0], together[:, k], atol=1e-11)


def test_single_precision_is_not_shortened_on_a_gpu():
    before = torch.backends.cudnn.allow_tf32
    with without_tf32(torch.device("cuda")):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
    with pytest.raises(RuntimeError, match="out of memory"), without_tf32(torch.device("cuda")):
        raise RuntimeError("out of memory")
    assert torch.backends.cudnn.allow_tf32 == before
    with without_tf32(torch.device("cpu")):
        assert torch.backends.cudnn.allow_tf32 == before


def test_networks_run_in_the_single_precision_of_their_device(monkeypatch):
    devices = []

    def watched(device):
        devices.append(device.type)
        return nullcontext()

    monkeypatch.setattr(deepgaze, "without_tf32", watched)
    run_frozen(TwoConvolutions(0), torch.zeros(1, 3, 32, 32, dtype=torch.float64), None)
    assert devices == ["cpu"]
