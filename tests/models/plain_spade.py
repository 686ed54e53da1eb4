"""The DinoGaze family, plain: every step of the thesis' algorithm by itself, nothing fused.

Written from shared/spec/dinogaze.md, sections 3 to 7, with its rules where the published code is
defective; "section" below means a section of it. One component, one map of the image's size at a
time, PyTorch's own layers.

Letters: `G` channels of the guidance map, `R S` rows and columns of the readout grid.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from foregaze.models.deepgaze_networks import Convolution
from foregaze.models.guided import GuidedHead, GuidedModel, PaintedHead, SegmentModel
from foregaze.models.spade_networks import SpadeConvolution
from tests.models.plain_deepgaze import FlexibleScanpathEncoding, mix
from tests.models.plain_layers import Bias, Finalizer, LayerNorm, pointwise

Guidance = Tensor | None
"""The guidance map at the image's size, (B, G, H, W)."""


def encode_cells(
    x_hist: Float[Tensor, "B T"],
    y_hist: Float[Tensor, "B T"],
    image: tuple[int, int],
    grid: tuple[int, int],
) -> Float[Tensor, "B 3*T R S"]:
    """Offsets and distance of every cell's middle from each fixation; NaN where it is missing."""
    borders = [
        torch.linspace(0, side, cells + 1, dtype=x_hist.dtype)
        for side, cells in zip(image, grid, strict=True)
    ]
    rows, columns = ((b[1:] + b[:-1]) / 2 for b in borders)
    dx = (columns - x_hist[:, :, None, None]).expand(-1, -1, *grid)
    dy = (rows[:, None] - y_hist[:, :, None, None]).expand(-1, -1, *grid)
    return torch.cat([dx, dy, torch.hypot(dx, dy)], dim=1)


# Section 5: the SPADE norm


class SpadeNorm(nn.Module):
    """How its map gets to the grid: "bilinear" when painted, "nearest-exact" when embedded."""

    def __init__(self, channels: int, guidance: int, hidden: int, resize: str) -> None:
        super().__init__()
        self.resize = resize
        self.shared = nn.Conv2d(guidance, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C R S"], guidance: Guidance) -> Float[Tensor, "B C R S"]:
        assert guidance is not None
        m = F.interpolate(guidance, size=x.shape[-2:], mode=self.resize)
        s = F.relu(self.shared(m))
        normalized = F.layer_norm(x, x.shape[1:], eps=1e-12)
        return normalized * (1 + self.gamma(s)) + self.beta(s)


class PlainLayer(nn.Module):
    """Norm (or SPADE norm, or none), 1x1 convolution, bias (or none); no activation.

    Args:
        ours: The layer of all components whose numbers it takes.
        k: Which component.
        resize: See `SpadeNorm`.
    """

    def __init__(self, ours: nn.Module, k: int, resize: str) -> None:
        super().__init__()
        assert isinstance(ours, Convolution | SpadeConvolution)
        outputs, inputs = ours.weight.shape[1:]
        self.norm: nn.Module | None = None
        self.conv, self.bias = pointwise(inputs, outputs), Bias(outputs)
        _take(self.conv.weight, ours.weight[k, :, :, None, None])
        if ours.bias is not None:
            _take(self.bias.bias, ours.bias[k])
        if isinstance(ours, SpadeConvolution):
            self.norm = SpadeNorm(inputs, ours.shared.shape[2], ours.shared.shape[1], resize)
            for name in ("shared", "gamma", "beta"):
                convolution = getattr(self.norm, name)
                _take(convolution.weight, getattr(ours, name)[k])
                _take(convolution.bias, getattr(ours, f"{name}_bias")[k])
        elif ours.norm_weight is not None and ours.norm_bias is not None:
            self.norm = LayerNorm(inputs)
            _take(self.norm.weight, ours.norm_weight[k])
            _take(self.norm.bias, ours.norm_bias[k])

    def forward(self, x: Float[Tensor, "B C R S"], guidance: Guidance) -> Float[Tensor, "B O R S"]:
        if isinstance(self.norm, SpadeNorm):
            x = self.norm(x, guidance)
        elif self.norm is not None:
            x = self.norm(x)
        return self.bias(self.conv(x))


def _take(parameter: nn.Parameter, values: Tensor) -> None:
    assert parameter.shape == values.shape
    parameter.data = values.detach().clone()


# Sections 3, 4 and 7: the networks of one component


class PlainComponent(nn.Module):
    """All behind the backbone, with the numbers of component `k` of one of our heads."""

    def __init__(self, head: GuidedHead, k: int) -> None:
        super().__init__()
        resize = "bilinear" if isinstance(head, PaintedHead) else "nearest-exact"

        def layers(*ours: nn.Module) -> nn.ModuleList:
            return nn.ModuleList(PlainLayer(layer, k, resize) for layer in ours)

        self.saliency = layers(*head.saliency.layers)
        selection = head.fixation_selection
        self.norms_parts = not hasattr(selection, "layers")
        if self.norms_parts:
            self.selection = layers(selection.layer0, selection.layer1, selection.layer2)
        else:
            self.selection = layers(selection.layer0, *selection.layers)
        self.encoding: FlexibleScanpathEncoding | None = None
        if head.scanpath is not None:
            encoding = head.scanpath.encoding  # (K, 128, T, 4)
            self.encoding = FlexibleScanpathEncoding(encoding.shape[2], encoding.shape[1])
            for slot, convolution in enumerate(self.encoding.convolutions):
                _take(convolution.weight, encoding[k, :, slot, :3, None, None])
                _take(convolution.bias, encoding[k, :, slot, 3])
            ours = head.scanpath
            self.scanpath = layers(*(ours.layers if hasattr(ours, "layers") else (ours.layer1,)))
        self.finalizer = Finalizer(head.config.saliency_map_factor)
        _take(self.finalizer.gauss.sigma, head.finalizers.sigma[k])
        _take(self.finalizer.center_bias_weight, head.finalizers.center_bias_weight[k, None])

    def forward(
        self,
        x: Float[Tensor, "B C R S"],
        guidance: Guidance,
        centerbias: Float[Tensor, "B H W"],
        x_hist: Float[Tensor, "B T"] | None = None,
        y_hist: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B H W"]:
        grid = (x.shape[-2], x.shape[-1])
        for layer in self.saliency:
            x = F.softplus(layer(x, guidance))
        parts = [x]
        if self.encoding is not None:
            assert x_hist is not None
            assert y_hist is not None
            encoded = encode_cells(x_hist, y_hist, centerbias.shape[-2:], grid)
            scanpath = F.softplus(self.encoding(encoded))
            for layer in self.scanpath:
                scanpath = F.softplus(layer(scanpath, guidance))
            parts.append(scanpath)
        return self.finalizer(self.select(parts, guidance), centerbias)

    def select(self, parts: Sequence[Tensor], guidance: Guidance) -> Float[Tensor, "B 1 R S"]:
        """Fixation selection; without SPADE, saliency and scanpath are normalized separately."""
        first, *others = self.selection
        if self.norms_parts:
            bounds = (0, 1, self.selection[0].conv.in_channels)
            normalized = [
                F.group_norm(x, 1, first.norm.weight[i:j], first.norm.bias[i:j], eps=1e-12)
                for x, i, j in zip(parts, bounds[:-1], bounds[1:], strict=False)
            ]
            x = first.bias(first.conv(torch.cat(normalized, 1)))
        else:
            x = first(torch.cat(list(parts), 1), guidance)
        for layer in others:
            x = layer(F.softplus(x), guidance)
        return x


# Section 6: guidance maps at the image's size


def plain_prototypes(
    features: Float[Tensor, "C p q"], ids: Int[Tensor, "H W"]
) -> dict[int, Float[Tensor, " C"]]:
    """The mean over a segment's pixels of the feature of each pixel's patch."""
    # In float64, F.interpolate gives pixels whose centers lie on a border to another patch.
    numbers = torch.arange(features[0].numel(), dtype=torch.float32).view(1, 1, *features.shape[1:])
    patch = F.interpolate(numbers, size=ids.shape, mode="nearest-exact")[0, 0].long()
    at_pixels = features.flatten(1)[:, patch]  # (C, H, W)
    return {k: at_pixels[:, ids == k].mean(1) for k in ids.unique().tolist()}


def painted_whole(features: Float[Tensor, "C p q"], ids: Int[Tensor, "H W"]) -> Tensor:
    """Every pixel in its segment's prototype, (C, H, W)."""
    found = plain_prototypes(features, ids)
    table = torch.stack([found.get(k, features[:, 0, 0]) for k in range(int(ids.max()) + 1)])
    return table[ids].permute(2, 0, 1)


# Whole models


@torch.no_grad()
def plain_density(
    model: GuidedModel,
    pixels: Float[Tensor, "B 3 H W"],
    centerbias: Float[Tensor, "B H W"],
    *history: Tensor,
    segments: Sequence[Tensor] = (),
) -> Float[Tensor, "B H W"]:
    """Log density of one of our models, by the plain algorithm with the same numbers."""
    features = model.backbones[0](pixels)
    size = (features[0].shape[-2], features[0].shape[-1])
    if model.config.readout_factor is not None:
        height, width = (math.ceil(side / model.config.readout_factor) for side in pixels.shape[2:])
        size = (height, width)
    x = torch.cat([F.interpolate(f, size=size, mode="bilinear") for f in features], 1)
    head = model.head
    assert isinstance(head, GuidedHead)
    log_densities = []
    for k in range(head.components):
        guidance = None
        if isinstance(model, SegmentModel):
            guidance = torch.stack(
                [_guidance(model, k, pixels[i], features, i, ids) for i, ids in enumerate(segments)]
            )
        component = PlainComponent(head, k)
        log_densities.append(component(x, guidance, centerbias, *history))
    return mix(torch.stack(log_densities, 1))[:, 0]


def _guidance(
    model: SegmentModel,
    k: int,
    pixels: Float[Tensor, "3 H W"],
    features: Sequence[Tensor],
    number: int,
    ids: Int[Tensor, "_ _"],
) -> Float[Tensor, "G _ _"]:
    head = model.head
    if not isinstance(head, PaintedHead):
        return head.embedding[k][ids].permute(2, 0, 1)
    if model.semantic_backbone is None:
        return painted_whole(features[head.semantic_tap][number], ids)
    (semantic,) = model.backbones[model.semantic_backbone](pixels[None])
    return painted_whole(semantic[0], ids)
