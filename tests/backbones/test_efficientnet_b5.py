"""The whole of EfficientNet-B5; its taps are compared in test_tapped.py."""

import pytest
import timm
import torch
from torch import nn

from foregaze.backbones.efficientnet_b5 import EfficientNetB5, PaddedConv2d
from foregaze.backbones.efficientnet_lite import to_timm_names

TIMM_SE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
BLOCKS = [3, 5, 5, 7, 7, 9, 3]


def timm_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The port's names as timm's: the Lite's, but for the squeeze-and-excitation."""
    excitation = {k: x for k, x in tensors.items() if "_se_" in k}
    renamed = to_timm_names({k: x for k, x in tensors.items() if k not in excitation}, BLOCKS)
    places = [(stage, block) for stage, n in enumerate(BLOCKS) for block in range(n)]
    for key, x in excitation.items():
        _, number, layer, kind = key.split(".")
        stage, block = places[int(number)]
        renamed[f"blocks.{stage}.{block}.{TIMM_SE[layer]}.{kind}"] = x
    return renamed


def test_it_is_timms_at_the_size_whose_padding_it_has():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = EfficientNetB5().eval()
    reference = timm.create_model("tf_efficientnet_b5", pretrained=False).eval()
    reference.load_state_dict(timm_names(network.state_dict()))
    # Every grid on the way is even, as at 456 px, so that both pad alike.
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(network(image), reference(image), rtol=1e-4, atol=1e-6)


def test_padding_adds_zeros_to_the_sides_it_names():
    convolution = PaddedConv2d(1, 1, 3, 2, bias=False, sides=(0, 1, 0, 1))
    nn.init.ones_(convolution.weight)
    output = convolution(torch.ones(1, 1, 4, 4))
    assert output.flatten().tolist() == pytest.approx([9, 6, 6, 4])
