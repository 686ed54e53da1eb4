"""Painting with another network's features, against the plain algorithm."""

import pytest
import torch
from pydantic import ValidationError

from foregaze.models.deepgaze_spade_hybrid import (
    DeepGazeSpadeHybridConfig,
    DeepGazeSpadeHybridHead,
)
from tests.models.toy_guided import (
    DENSENET_CHANNELS,
    assert_is_plain,
    backbone,
    inputs,
    published_head,
    toy,
    trained,
)


@pytest.mark.parametrize("length", [0, 4])
def test_density_is_that_of_the_plain_algorithm(length):
    assert_is_plain("hybrid", length)


@pytest.mark.parametrize("changes", [{"components": 1}, {"readout_factor": 8.0}])
def test_density_is_that_of_the_plain_algorithm_with_other_settings(changes):
    assert_is_plain("hybrid", 4, **changes)


@pytest.mark.parametrize(("channels", "millions"), [(1024, 8.33), (768, 7.45)])
def test_networks_have_the_published_numbers_of_parameters(channels, millions):
    config = DeepGazeSpadeHybridConfig()
    head = published_head(DeepGazeSpadeHybridHead, config, DENSENET_CHANNELS, channels)
    assert trained(head.saliency) / 1e6 == pytest.approx(millions, abs=0.005)
    assert trained(head.fixation_selection) == 4_674
    assert trained(head.scanpath) == 4_368


@torch.inference_mode()
def test_the_second_network_matters_to_the_modulation_alone():
    given, options = inputs("hybrid")
    networks = [(backbone(100), backbone(seed, 1)) for seed in (200, 300)]
    models = [toy("hybrid", backbones=pair) for pair in networks]
    first, second = (model(*given, **options) for model in models)
    assert (first - second).abs().max().item() > 1e-3
    for model in models:
        for layer in model.head.saliency.layers:
            layer.gamma.data.zero_()
            layer.beta.data.zero_()
    first, second = (model(*given, **options) for model in models)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "networks", [(backbone(1),), (backbone(1), backbone(2)), (backbone(1),) * 3]
)
def test_it_stands_on_two_networks_the_second_with_one_tap(networks):
    with pytest.raises(ValidationError, match="expected two backbones, for the saliency network"):
        DeepGazeSpadeHybridConfig(backbones=networks)
