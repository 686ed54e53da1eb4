"""DeepGaze I, IIE and III, plain: every step of the published algorithm by itself, nothing fused.

Written from shared/spec/deepgaze.md; "section" below means a section of it. What the package
computes faster is tested and timed against these classes. Their state dicts have the release
files' keys. Run them under `torch.inference_mode`, in float32 or after `.double()`.

Letters: `R S` rows and columns of the readout grid, `M N` of the finalizer grid, `K` components.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torchvision.models import alexnet, densenet201, resnet50, resnext50_32x4d

from tests.models.plain_efficientnet_b5 import EfficientNetB5
from tests.models.plain_layers import (
    Bias,
    Conv2dMultiInput,
    Finalizer,
    LayerNorm,
    LayerNormMultiInput,
    Normalizer,
    downsample_nearest,
    pointwise,
    resize_nearest,
)

SLOTS = 4
"""Previous fixations that DeepGaze III sees, most recent first."""

ALEXNET_TAPS = ("features.10",)
DENSENET_TAPS = (
    "features.denseblock4.denselayer32.norm1",
    "features.denseblock4.denselayer32.conv1",
    "features.denseblock4.denselayer31.conv2",
)
RESNET_TAPS = (
    "module.layer3.0.conv2",
    "module.layer3.3.conv2",
    "module.layer3.5.conv1",
    "module.layer3.5.conv2",
    "module.layer4.1.conv2",
    "module.layer4.2.conv2",
)
EFFICIENTNET_TAPS = (
    "_blocks.24._depthwise_conv",
    "_blocks.26._depthwise_conv",
    "_blocks.35._project_conv",
)
RESNEXT_TAPS = ("layer3.5.conv1", "layer3.5.conv2", "layer3.4.conv2", "layer4.2.conv2")


# Sections 5, 6 and 10: the networks of one component


class SaliencyNetwork(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, 8, 16, 1)
        for i in range(3):
            self.add_module(f"layernorm{i}", LayerNorm(widths[i]))
            self.add_module(f"conv{i}", pointwise(widths[i], widths[i + 1]))
            self.add_module(f"bias{i}", Bias(widths[i + 1]))

    def forward(self, x: Float[Tensor, "B C R S"]) -> Float[Tensor, "B 1 R S"]:
        x = F.softplus(self.bias0(self.conv0(self.layernorm0(x))))
        x = F.softplus(self.bias1(self.conv1(self.layernorm1(x))))
        return F.softplus(self.bias2(self.conv2(self.layernorm2(x))))


class FixationSelectionNetwork(nn.Module):
    def __init__(self, scanpath_channels: int) -> None:
        super().__init__()
        self.layernorm0 = LayerNormMultiInput((1, scanpath_channels))
        self.conv0 = Conv2dMultiInput((1, scanpath_channels), 128)
        self.bias0 = Bias(128)
        self.layernorm1 = LayerNorm(128)
        self.conv1 = pointwise(128, 16)
        self.bias1 = Bias(16)
        self.conv2 = pointwise(16, 1)

    def forward(
        self, saliency: Float[Tensor, "B 1 R S"], scanpath: Float[Tensor, "B C R S"] | None
    ) -> Float[Tensor, "B 1 R S"]:
        x = F.softplus(self.bias0(self.conv0(self.layernorm0((saliency, scanpath)))))
        x = F.softplus(self.bias1(self.conv1(self.layernorm1(x))))
        return self.conv2(x)


def encode_scanpath(
    x_hist: Float[Tensor, "B T"], y_hist: Float[Tensor, "B T"], image_shape: tuple[int, int]
) -> Float[Tensor, "B 3*T H W"]:
    """Offsets and distance of every pixel from each previous fixation; NaN where it is missing."""
    height, width = image_shape
    rows = torch.arange(height, dtype=x_hist.dtype, device=x_hist.device)[:, None]
    columns = torch.arange(width, dtype=x_hist.dtype, device=x_hist.device)[None, :]
    dx = (columns - x_hist[:, :, None, None]).expand(-1, -1, height, width)
    dy = (rows - y_hist[:, :, None, None]).expand(-1, -1, height, width)
    return torch.cat([dx, dy, torch.sqrt(dx**2 + dy**2)], dim=1)


class FlexibleScanpathEncoding(nn.Module):
    """One convolution per previous fixation, summed over those that the sample has.

    A sample without any gets zeros, also where the whole batch has none (the reference fails).
    """

    def __init__(self, slots: int, out: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(3, out, 1) for _ in range(slots))

    def forward(self, encoded: Float[Tensor, "B 3*T R S"]) -> Float[Tensor, "B C R S"]:
        slots = len(self.convolutions)
        batch, _, height, width = encoded.shape
        total = encoded.new_zeros(batch, self.convolutions[0].out_channels, height, width)
        for k, convolution in enumerate(self.convolutions):
            present = ~encoded[:, k, 0, 0].isnan()  # (B,)
            if present.any():
                total[present] += convolution(encoded[present, k::slots])
        return total


class ScanpathNetwork(nn.Module):
    def __init__(self, slots: int = SLOTS, out: int = 16) -> None:
        super().__init__()
        self.encoding0 = FlexibleScanpathEncoding(slots, 128)
        self.layernorm1 = LayerNorm(128)
        self.conv1 = pointwise(128, out)
        self.bias1 = Bias(out)

    def forward(self, encoded: Float[Tensor, "B 3*T R S"]) -> Float[Tensor, "B C R S"]:
        x = F.softplus(self.encoding0(encoded))
        return F.softplus(self.bias1(self.conv1(self.layernorm1(x))))


# Backbones and feature assembly (section 4)


class FeatureExtractor(nn.Module):
    """Runs all of normalizer and backbone; copies what the tapped layers return."""

    def __init__(self, backbone: nn.Module, taps: Sequence[str]) -> None:
        super().__init__()
        self.features = nn.Sequential(Normalizer(), backbone).eval()
        self.taps = tuple(f"1.{tap}" for tap in taps)

    def forward(self, image: Float[Tensor, "B 3 h w"]) -> list[Float[Tensor, "B _ _ _"]]:
        tapped: dict[str, Tensor] = {}

        def keep(tap: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
            return lambda module, inputs, output: tapped.update({tap: output.clone()})

        hooks = [self.features.get_submodule(t).register_forward_hook(keep(t)) for t in self.taps]
        self.features(image)
        for hook in hooks:
            hook.remove()
        return [tapped[tap] for tap in self.taps]


def empty_backbone(build: Callable[[], nn.Module]) -> nn.Module:
    """The network without its slow random initialization: weights must be loaded."""
    with torch.device("meta"):
        backbone = build()
    return backbone.to_empty(device="cpu").eval()


def readout_shape(
    image_shape: tuple[int, int], downsample: float, readout_factor: float
) -> tuple[int, int]:
    height, width = (math.ceil(n / downsample / readout_factor) for n in image_shape)
    return height, width


def assemble(
    features: Sequence[Float[Tensor, "B _ _ _"]], shape: tuple[int, int]
) -> Float[Tensor, "B C R S"]:
    return torch.cat([resize_nearest(x, shape) for x in features], dim=1)


# Whole models


class PlainDeepGaze1(nn.Module):
    """Section 7: AlexNet's fifth convolution, a linear readout, the finalizer."""

    def __init__(self) -> None:
        super().__init__()
        backbone = empty_backbone(lambda: alexnet(weights=None))
        self.features = FeatureExtractor(backbone, ALEXNET_TAPS)
        self.readout_network = nn.Sequential(OrderedDict(conv0=pointwise(256, 1)))
        self.finalizer = Finalizer(saliency_map_factor=4)

    def forward(
        self, image: Shaped[Tensor, "B 3 H W"], centerbias: Float[Tensor, "B H W"]
    ) -> Float[Tensor, "B H W"]:
        small = downsample_nearest(image.to(self.readout_network.conv0.weight.dtype), 2)
        x = assemble(self.features(small), readout_shape(image.shape[-2:], 2, 4))
        return self.finalizer(self.readout_network(x), centerbias)


class PlainMixture(nn.Module):
    """K components on the features of one backbone: one part of IIE, or all of III.

    Without a backbone it is the head alone. `slots` previous fixations are seen, 0 for none.
    """

    def __init__(
        self,
        channels: int,
        *,
        components: int,
        readout_factor: float,
        saliency_map_factor: int,
        downsample: float = 2,
        slots: int = 0,
        features: FeatureExtractor | None = None,
    ) -> None:
        super().__init__()
        self.downsample, self.readout_factor = downsample, readout_factor
        if features is not None:
            self.features = features
        each = range(components)
        self.saliency_networks = nn.ModuleList(SaliencyNetwork(channels) for _ in each)
        if slots:
            self.scanpath_networks = nn.ModuleList(ScanpathNetwork(slots) for _ in each)
        self.fixation_selection_networks = nn.ModuleList(
            FixationSelectionNetwork(16 if slots else 0) for _ in each
        )
        self.finalizers = nn.ModuleList(Finalizer(saliency_map_factor) for _ in each)

    def forward(
        self,
        image: Shaped[Tensor, "B 3 H W"],
        centerbias: Float[Tensor, "B H W"],
        x_hist: Float[Tensor, "B T"] | None = None,
        y_hist: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B 1 H W"]:
        dtype = self.saliency_networks[0].layernorm0.weight.dtype
        features = self.features(downsample_nearest(image.to(dtype), self.downsample))
        return self.forward_features(features, image.shape[-2:], centerbias, x_hist, y_hist)

    def forward_features(
        self,
        features: Sequence[Float[Tensor, "B _ _ _"]],
        image_shape: tuple[int, int],
        centerbias: Float[Tensor, "B H W"],
        x_hist: Float[Tensor, "B T"] | None = None,
        y_hist: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B 1 H W"]:
        """Log density in nats; the history is given exactly where the model has slots."""
        shape = readout_shape(image_shape, self.downsample, self.readout_factor)
        x = assemble(features, shape)  # (B, C, R, S)
        log_densities = []
        for k, saliency_network in enumerate(self.saliency_networks):
            saliency = saliency_network(x)  # (B, 1, R, S)
            scanpath = None
            if x_hist is not None and y_hist is not None:
                encoded = encode_scanpath(x_hist.to(x.dtype), y_hist.to(x.dtype), image_shape)
                scanpath = self.scanpath_networks[k](resize_nearest(encoded, shape))
            readout = self.fixation_selection_networks[k](saliency, scanpath)
            log_densities.append(self.finalizers[k](readout, centerbias))
        return mix(torch.stack(log_densities, dim=1))


def mix(log_densities: Float[Tensor, "B K H W"]) -> Float[Tensor, "B 1 H W"]:
    """Arithmetic mean of the K densities."""
    return (log_densities - math.log(log_densities.shape[1])).logsumexp(1, keepdim=True)


class PlainDeepGaze2E(nn.Module):
    """Section 9: four backbones, 30 components each, all with equal weight."""

    def __init__(self, components: int = 30) -> None:
        super().__init__()
        extractors = (
            (_resnet_in_a_module, RESNET_TAPS, 2048),
            (EfficientNetB5, EFFICIENTNET_TAPS, 2416),
            (lambda: densenet201(weights=None), DENSENET_TAPS, 2048),
            (lambda: resnext50_32x4d(weights=None), RESNEXT_TAPS, 2560),
        )
        self.models = nn.ModuleList(
            PlainMixture(
                channels,
                components=components,
                readout_factor=16,
                saliency_map_factor=2,
                features=FeatureExtractor(empty_backbone(build), taps),
            )
            for build, taps, channels in extractors
        )

    def per_backbone(
        self, image: Shaped[Tensor, "B 3 H W"], centerbias: Float[Tensor, "B H W"]
    ) -> Float[Tensor, "B 4 H W"]:
        return torch.cat([model(image, centerbias) for model in self.models], dim=1)

    def forward(
        self, image: Shaped[Tensor, "B 3 H W"], centerbias: Float[Tensor, "B H W"]
    ) -> Float[Tensor, "B 1 H W"]:
        return mix(self.per_backbone(image, centerbias))


def _resnet_in_a_module() -> nn.Module:
    return nn.Sequential(OrderedDict(module=resnet50(weights=None)))


class PlainDeepGaze3(PlainMixture):
    """Section 10: DenseNet-201, 10 components, four previous fixations."""

    def __init__(self, components: int = 10) -> None:
        backbone = empty_backbone(lambda: densenet201(weights=None))
        super().__init__(
            2048,
            components=components,
            readout_factor=4,
            saliency_map_factor=4,
            slots=SLOTS,
            features=FeatureExtractor(backbone, DENSENET_TAPS),
        )
