import pytest
import torch
from torch import Tensor

from foregaze.backbones.staged import create_backbone
from foregaze.backbones.staged_taps import StagedTaps
from foregaze.errors import ConfigError

NAME, WEIGHTS = "tf_efficientnet_lite0", "random:0"


@pytest.fixture(scope="module")
def taps() -> StagedTaps:
    return StagedTaps(NAME, ("4", "1"), WEIGHTS)


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 255 * torch.rand(2, 3, 50, 66, generator=generator)


@torch.inference_mode()
def test_taps_are_the_stages_outputs_in_the_order_asked(taps, pixels):
    backbone = create_backbone(NAME, WEIGHTS)
    mean, std = (torch.tensor(x)[:, None, None] for x in (backbone.mean, backbone.std))
    x = (pixels / 255 - mean) / std
    outputs = []
    for stage in backbone.stages:
        x = stage(x)
        outputs.append(x)
    for ours, number in zip(taps(pixels), (4, 1), strict=True):
        expected = outputs[number]
        assert (ours - expected).abs().max() < 1e-4 * expected.abs().max()
    assert taps.channels == (backbone.channels[4], backbone.channels[1])
    assert [x.shape[1] for x in taps(pixels)] == list(taps.channels)


def test_stages_behind_the_last_tap_are_not_kept(taps):
    assert len(taps.stages) == 5


@torch.inference_mode()
def test_frozen_networks_stay_in_evaluation_mode(taps, pixels):
    before = [x.clone() for x in taps(pixels)]
    assert not any(module.training for module in taps.train().modules())
    assert all(torch.equal(a, b) for a, b in zip(taps(pixels), before, strict=True))
    assert not any(parameter.requires_grad for parameter in taps.parameters())


def test_a_stage_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="stage 7 asked for; known: 0 to 6"):
        StagedTaps(NAME, ("1", "7"), WEIGHTS)


@pytest.mark.parametrize("tap", ["layer3.conv1", "-1", "1.5", ""])
def test_a_tap_that_is_no_number_is_refused(tap):
    with pytest.raises(ConfigError, match=r"taps of .* are numbers of stages"):
        StagedTaps(NAME, (tap,), WEIGHTS)
