"""Blocks of a Vision Transformer as taps, for models that read a frozen network's layers by name.

Any ViT of timm: DINOv2 (Oquab et al. 2023, arXiv:2304.07193), with registers (Darcet et al. 2023,
arXiv:2309.16588), DINOv3 (Siméoni et al. 2025, arXiv:2508.10104) and others. A tap is what
DinoGaze reads: the patch tokens after a block, through the network's final norm.

Geometry: an image is resized so that its sides are whole numbers of patches, the nearest ones.
Token (i, j) of an (h, w) grid therefore sees exactly the pixels from (i H / h, j W / w) to
((i + 1) H / h, (j + 1) W / w), and stretching the grid over the image puts each token back on them.
With padding it would not: a grid of padded images, stretched over the images themselves, is wrong
by up to the padding. What this costs is a change of each side by at most half a patch.

`B` batch, `H W` image pixels, `h w` token grid, `C` channels, `N` tokens: class token, registers,
and the patches row by row.
"""

import inspect
import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import timm
import torch
from jaxtyping import Float
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models import Eva, VisionTransformer, eva, model_entrypoint, vision_transformer
from torch import Tensor, nn
from torch.nn.functional import interpolate

from foregaze.backbones.staged import create_random, default_weights, find_published
from foregaze.backbones.tapped import Normalization
from foregaze.backbones.weights import StateDict, load_strictly, read_state_dict, resolve_weights
from foregaze.errors import ConfigError, WeightsError
from foregaze.types import Size

_TRAINED_AT_A_SIZE = ("patch_embed.proj.weight", "pos_embed")
"""Tensors that timm resizes where a file was made for other patches or images."""


class VitTaps(nn.Module):
    """Patch tokens of a ViT of timm after some of its blocks, for images in 0..255.

    Each tap is passed through the ViT's final norm, as DinoGaze does; the few ViTs that normalize
    only what they have pooled give their tokens as they are.

    Args:
        name: A Vision Transformer of timm.
        taps: Numbers of blocks, as text, in the order in which outputs come back.
        weights: A source (see `foregaze.backbones.weights`), or `random:SEED`; the backbone's own
            default where None. Files may have timm's layout or that of the network's authors, such
            as `dinov2_vitl14_pretrain.pth`.

    Raises:
        UnknownNameError: If timm has no such model.
        ConfigError: If the model is no ViT, or a tap no block.
        WeightsError: If the weights are not there or do not fit strictly.
    """

    channels: tuple[int, ...]
    """Of each tap, in the order asked."""
    patch_px: tuple[int, int]
    """Height and width of a patch."""

    def __init__(self, name: str, taps: Sequence[str], weights: str | None) -> None:
        super().__init__()
        published = find_published(name)
        if not is_vit(name):
            raise ConfigError(
                f"backbone {name!r} is no Vision Transformer; use one of timm's, such as "
                "vit_large_patch14_dinov2, or the taps of a convolutional network"
            )
        empty = _create_empty(name)
        self.taps = _block_numbers(name, taps, len(empty.blocks))
        self.network = _fill(empty, name, weights or default_weights(name))
        self.network.prune_intermediate_layers(sorted(set(self.taps)))
        self.channels = (self.network.embed_dim,) * len(self.taps)
        self.patch_px = self.network.patch_embed.feat_ratio(as_scalar=False)
        self.normalization = Normalization(published.mean, published.std)
        self.is_first_dinov2 = "dinov2" in name and not self.network.num_reg_tokens
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "VitTaps":
        """Stay in evaluation mode: a frozen network has no other."""
        return super().train(False)

    def grid(self, size: Size) -> Size:
        """Rows and columns of tokens for an image of `size` (H, W) in pixels.

        The nearest whole number of patches along each side, the larger of two as near, at least 1.
        """
        rows, columns = (
            max(1, (side + patch // 2) // patch)
            for side, patch in zip(size, self.patch_px, strict=True)
        )
        return rows, columns

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Taps in the order asked, each (B, C, h, w) on the grid of `grid`."""
        dtype = self.network.patch_embed.proj.weight.dtype
        precision = torch.promote_types(pixels.dtype, dtype)
        x = pixels.to(torch.promote_types(precision, torch.float32))
        rows, columns = self.grid((pixels.shape[-2], pixels.shape[-1]))
        whole = (rows * self.patch_px[0], columns * self.patch_px[1])
        if x.shape[-2:] != whole:
            x = interpolate(x, whole, mode="bilinear", align_corners=False, antialias=True)
        x = self.normalization(x).to(dtype)
        numbers = sorted(set(self.taps))
        outputs = self._tokens(x, numbers)
        return [outputs[numbers.index(tap)] for tap in self.taps]

    def _tokens(self, x: Float[Tensor, "B 3 H W"], numbers: Sequence[int]) -> list[Tensor]:
        """Normalized patch tokens (B, C, h, w) after each of the blocks `numbers`."""
        if self.is_first_dinov2:
            return _dinov2_tokens(self.network, x, numbers)
        outputs: list[Tensor] = self.network.forward_intermediates(
            x, list(numbers), norm=True, intermediates_only=True
        )
        return outputs


def is_vit(name: str) -> bool:
    """Whether timm has a Vision Transformer of that name; nothing is built to find out."""
    if not timm.is_model(name):
        return False
    kind = inspect.signature(model_entrypoint(name)).return_annotation
    return inspect.isclass(kind) and issubclass(kind, VisionTransformer | Eva)


def _dinov2_tokens(vit: Any, x: Float[Tensor, "B 3 H W"], numbers: Sequence[int]) -> list[Tensor]:
    """As timm's own, but for the position embedding, which is resized without antialiasing.

    DINOv2 was published without; with antialiasing, which timm always uses, are those of its
    networks that have registers. The resize is to a size, as in transformers' `Dinov2Model`;
    facebookresearch/dinov2 resizes by a factor that is larger by 0.1 patches, see `dinov2`.
    """
    patches = vit.patch_embed(x)  # (B, h, w, C)
    b, h, w, c = patches.shape
    tokens = torch.cat([vit.cls_token.expand(b, -1, -1), patches.reshape(b, h * w, c)], dim=1)
    x = tokens + resample_abs_pos_embed(
        vit.pos_embed, [h, w], list(vit.patch_embed.grid_size), num_prefix_tokens=1, antialias=False
    )  # (B, N, C)
    outputs = []
    for number, block in enumerate(vit.blocks):
        x = block(x)
        if number in numbers:
            outputs.append(vit.norm(x)[:, 1:].transpose(1, 2).reshape(b, c, h, w))
    return outputs


def _block_numbers(name: str, taps: Sequence[str], depth: int) -> tuple[int, ...]:
    known = f"known: numbers of blocks, '0' to '{depth - 1}'"
    if not taps:
        raise ConfigError(f"backbone {name!r}: no tap asked; {known}")
    for tap in taps:
        if not (tap.isdecimal() and int(tap) < depth):
            raise ConfigError(f"backbone {name!r} has no tap {tap!r}; {known}")
    return tuple(int(tap) for tap in taps)


def _create_empty(name: str) -> Any:
    """A network without memory: drawing the weights of a large one takes longer than reading."""
    with torch.device("meta"):
        return timm.create_model(name, pretrained=False, dynamic_img_size=True)


def _fill(empty: Any, name: str, source: str) -> Any:
    """The same network with weights."""
    if source.startswith("random:"):
        return create_random(name, source, dynamic_img_size=True)
    tensors = read_state_dict(resolve_weights(source))
    if list(empty.buffers()):  # their values may be computed when the network is created
        network: Any = timm.create_model(name, pretrained=False, dynamic_img_size=True)
    else:
        network = empty.to_empty(device="cpu")
    if tensors.keys() != network.state_dict().keys():
        tensors = _to_timm_layout(network, tensors, source)
    load_strictly(network, tensors, source)
    return network


def _to_timm_layout(network: nn.Module, tensors: StateDict, source: str) -> StateDict:
    """Tensors of a network's authors under timm's names, or as they are where timm knows none.

    Raises:
        WeightsError: If they are for other patches or images: timm would resize them.
    """
    layouts = eva if isinstance(network, Eva) else vision_transformer
    try:
        with redirect_stdout(io.StringIO()):  # where timm says what it tries
            converted: StateDict = layouts.checkpoint_filter_fn(dict(tensors), network)
    except Exception:  # what is no ViT fails in its own way; its names say more
        return tensors
    given = {x.untyped_storage().data_ptr() for x in tensors.values()}
    for key in _TRAINED_AT_A_SIZE:
        if key in converted and converted[key].untyped_storage().data_ptr() not in given:
            raise WeightsError(
                f"{source}: {key} has another size than the model's "
                f"{tuple(converted[key].shape)}; give weights for its patches and images"
            )
    return converted
