"""VGG-19 as DeepGaze II reads it: torchvision's, its layers called by their block and number.

Simonyan & Zisserman (2015), arXiv:1409.1556. The Caffe network's poolings keep a last row or
column of odd grids, and torchvision's are told to.
"""

import torchvision.models as torchvision_models  # type: ignore[import-untyped]
from torch import nn

from foregaze.errors import UnknownNameError

_CONVOLUTIONS = (2, 2, 4, 4, 4)
"""Convolutions in each block; a ReLU follows each of them, a pooling each block."""


def build_vgg19() -> nn.Module:
    """Torchvision's classifier, with poolings that keep a last row and column."""
    network: nn.Module = torchvision_models.vgg19()
    for module in network.modules():
        if isinstance(module, nn.MaxPool2d):
            module.ceil_mode = True
    return network


def vgg19_layer(tap: str) -> str:
    """Torchvision's name of a layer called by its block and number, as in `conv5_1`.

    Raises:
        UnknownNameError: If VGG-19 has no such layer.
    """
    names = []
    for block, convolutions in enumerate(_CONVOLUTIONS, start=1):
        for number in range(1, convolutions + 1):
            names += [f"conv{block}_{number}", f"relu{block}_{number}"]
        names.append(f"pool{block}")
    if tap not in names:
        raise UnknownNameError("layer", tap, names)
    return f"features.{names.index(tap)}"
