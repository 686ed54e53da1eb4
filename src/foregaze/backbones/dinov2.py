"""DINOv2's ViT-B/14, with the position embedding resized as when its weights were published.

Oquab et al. (2023), arXiv:2304.07193. The blocks are timm's. `N` tokens: the class token, then
the patches row by row.
"""

from collections.abc import Sequence
from typing import Any

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from foregaze.errors import UnknownNameError

_PATCH_PX = 14
_GRID = 37
"""Side of the trained position embedding, in patches: images of 518 x 518."""
_OFFSET = 0.1
"""Added to the grid's size in the resize's scale factors (facebookresearch/dinov2 at 6a62615)."""


class DinoV2(nn.Module):
    """Patch tokens of normalized images after some of the blocks."""

    taps: Sequence[int]
    """Numbers of the blocks whose outputs come back."""

    def __init__(self) -> None:
        super().__init__()
        vit: Any = timm.create_model("vit_base_patch14_dinov2", pretrained=False)
        self.cls_token: Tensor = vit.cls_token
        self.pos_embed: Tensor = vit.pos_embed
        self.mask_token = nn.Parameter(torch.zeros(1, vit.embed_dim))  # for training alone
        self.patch_embed = nn.ModuleDict({"proj": vit.patch_embed.proj})
        self.blocks = nn.ModuleList(vit.blocks)
        self.norm = vit.norm
        self.taps = [len(self.blocks) - 1]

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Residual streams (B, C, h, w), before the final norm and without the class token."""
        x = interpolate(x, [_next_multiple(side) for side in x.shape[-2:]], mode="nearest")
        x = self.patch_embed["proj"](x)  # (B, C, h, w)
        h, w = x.shape[-2:]
        x = x.flatten(2).transpose(1, 2)  # (B, h * w, C)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)  # (B, N, C)
        x = x + self._positions(h, w)
        outputs = {}
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                outputs[number] = x[:, 1:].transpose(1, 2).reshape(len(x), -1, h, w)
        return [outputs[number] for number in self.taps]

    def _positions(self, h: int, w: int) -> Float[Tensor, "1 N C"]:
        if (h, w) == (_GRID, _GRID):
            return self.pos_embed
        patches = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, _GRID, _GRID)
        scale = [(side + _OFFSET) / _GRID for side in (h, w)]
        patches = interpolate(patches, scale_factor=scale, mode="bicubic")  # (1, C, h, w)
        return torch.cat([self.pos_embed[:, :1], patches.flatten(2).transpose(1, 2)], dim=1)


def cut_blocks(network: nn.Module, layers: Sequence[str]) -> nn.Module:
    """The same network without what follows the last of `layers`, returning their outputs.

    Raises:
        UnknownNameError: If one of `layers` is no block.
    """
    assert isinstance(network, DinoV2)
    known = [f"blocks.{number}" for number in range(len(network.blocks))]
    for layer in layers:
        if layer not in known:
            raise UnknownNameError("layer", layer, known)
    network.taps = [known.index(layer) for layer in layers]
    network.blocks = network.blocks[: max(network.taps) + 1]
    del network.norm, network.mask_token
    return network


def _next_multiple(side_px: int) -> int:
    return -(-side_px // _PATCH_PX) * _PATCH_PX
