"""Painting with the convolutional network's own features, against the plain algorithm."""

import pytest
from pydantic import ValidationError

from foregaze.models.deepgaze_spade_dynamic import (
    DeepGazeSpadeDynamicConfig,
    DeepGazeSpadeDynamicHead,
)
from tests.models.toy_guided import (
    DENSENET_CHANNELS,
    assert_is_plain,
    published_head,
    toy,
    trained,
)


@pytest.mark.parametrize("length", [0, 4])
@pytest.mark.parametrize("tap", [0, 1, 2])
def test_density_is_that_of_the_plain_algorithm(length, tap):
    assert_is_plain("dynamic", length, semantic_tap=tap)


@pytest.mark.parametrize("changes", [{"components": 1}, {"readout_factor": 8.0}])
def test_density_is_that_of_the_plain_algorithm_with_other_settings(changes):
    assert_is_plain("dynamic", 4, **changes)


@pytest.mark.parametrize(("tap", "channels", "millions"), [(1, 128, 5.24), (2, 32, 4.91)])
def test_networks_have_the_published_numbers_of_parameters(tap, channels, millions):
    config = DeepGazeSpadeDynamicConfig(semantic_tap=tap)
    head = published_head(DeepGazeSpadeDynamicHead, config, DENSENET_CHANNELS)
    assert head.saliency.layers[0].shared.shape == (1, 128, channels, 3, 3)
    assert trained(head.saliency) / 1e6 == pytest.approx(millions, abs=0.005)
    assert trained(head.fixation_selection) == 4_674
    assert trained(head.scanpath) == 4_368


def test_by_default_the_128_channels_of_conv1_paint():
    config = DeepGazeSpadeDynamicConfig()
    (network,) = config.backbones
    assert network.taps[config.semantic_tap] == "features.denseblock4.denselayer32.conv1"
    assert toy("dynamic").head.semantic_tap == 1


def test_a_tap_that_the_network_does_not_have_is_refused():
    with pytest.raises(ValidationError, match="semantic_tap is 3, expected -3 to 2"):
        DeepGazeSpadeDynamicConfig(semantic_tap=3)
