import pytest
import torch

from foregaze.backbones.tapped import create_tapped
from foregaze.errors import UnknownNameError


def test_vgg_taps_are_torchvisions_layers_with_poolings_that_keep_the_rest():
    backbone = create_tapped("vgg19", ["conv1_2", "relu1_2", "pool1"], "random:3")
    assert len(backbone.published_shapes) == 2 * 19
    assert next(iter(backbone.published_shapes)) == "features.0.weight"
    assert set(dict(backbone.network.named_parameters())) == {
        f"features.{n}.{kind}" for n in (0, 2) for kind in ("weight", "bias")
    }
    convolution, relu, pool = backbone(torch.rand(1, 3, 7, 9) * 255)
    assert convolution.min() < 0
    assert torch.equal(relu, convolution.clamp(min=0))
    assert pool.shape[-2:] == (4, 5)
    assert torch.equal(pool[..., 3, 4], relu[..., 6, 8])


def test_deep_gaze_ii_taps_exist():
    taps = ["conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4"]
    backbone = create_tapped("vgg19", taps, None)
    assert backbone.channels == (512,) * 5
    assert "features.34.weight" in backbone.network.state_dict()
    with pytest.raises(UnknownNameError, match="unknown layer 'conv5_5'; known: conv1_1, conv1_2"):
        create_tapped("vgg19", ["conv5_5"], None)
