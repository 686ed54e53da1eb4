"""Fused heads at toy size beside the plain ones, with the same numbers in them."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from foregaze.models.deepgaze import Head
from foregaze.models.deepgaze2e import DeepGaze2EConfig, DeepGaze2EHead
from foregaze.models.deepgaze3 import DeepGaze3Config, DeepGaze3Head
from foregaze.models.deepgaze_config import DeepGazeConfig
from foregaze.ops.finalizer import FinerGrid, mean_density
from foregaze.ops.nearest import nearest_downsample
from foregaze.types import Size
from tests.models.plain_deepgaze import PlainMixture
from tests.models.release_files import fill

CHANNELS = (12, 8, 4)
DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)


@dataclass(frozen=True)
class Case:
    """Sizes of one toy problem."""

    image_size: Size
    maps: tuple[Size, ...]
    """Of the three feature maps."""
    downsample: float = 2.0
    readout_factor: float = 4.0
    saliency_map_factor: float = 4.0
    components: int = 2
    batch: int = 2
    sigma: float | None = None
    """Of all blurs; None for a different one, about 3, in each component."""


CASES = {
    "dividing": Case((96, 128), ((12, 16), (6, 8), (3, 4))),
    "odd": Case((101, 131), ((13, 17), (4, 5), (2, 3)), components=3),
    "one component, one image": Case((50, 70), ((7, 9), (4, 5), (4, 5)), components=1, batch=1),
    "taps finer than the readout grid": Case((50, 70), ((25, 35), (7, 9), (16, 11))),
    "all taps coarse": Case((61, 45), ((2, 3), (2, 3), (1, 2)), saliency_map_factor=2.0),
    "nothing divides": Case(
        (57, 83), ((11, 13), (8, 12), (5, 7)), 1.5, 5.0, 3.0, components=2, batch=3
    ),
    "coarse readout": Case((75, 101), ((5, 7), (3, 4), (2, 3)), 2.0, 16.0, 2.0, components=3),
    "blur within a cell": Case((40, 56), ((5, 7), (5, 7), (3, 4)), sigma=0.3),
    "blur wider than the map": Case((40, 56), ((5, 7), (5, 7), (3, 4)), sigma=40.0),
}


def numbers(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def features_of(case: Case) -> list[Tensor]:
    """Three maps, none centered."""
    return [
        0.5 + (1 + i) * numbers(10 + i, case.batch, channels, *size)
        for i, (channels, size) in enumerate(zip(CHANNELS, case.maps, strict=True))
    ]


def centerbias_of(case: Case) -> Tensor:
    """A normalized log density that differs between the images."""
    x = numbers(20, case.batch, *case.image_size)
    return x - x.logsumexp((-2, -1), keepdim=True)


def history_of(case: Case) -> tuple[Tensor, Tensor]:
    """Image i has i + 1, modulo 5, of four fixations."""
    generator = torch.Generator().manual_seed(21)
    x, y = torch.rand(2, case.batch, 4, generator=generator, dtype=torch.float64)
    x, y = x * case.image_size[1], y * case.image_size[0]
    for number in range(case.batch):
        x[number, (number + 1) % 5 :] = torch.nan
        y[number, (number + 1) % 5 :] = torch.nan
    return x, y


def take_over(tensors: Mapping[str, Tensor], views: dict[str, Tensor]) -> None:
    """Write tensors into published views; keys and shapes have to be the same."""
    assert views.keys() == tensors.keys()
    with torch.no_grad():
        for key, view in views.items():
            assert view.shape == tensors[key].shape, key
            view.copy_(tensors[key])


def load_head(head: Head, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Head:
    head.to(dtype)
    take_over(tensors, head.published())
    return head


def mixture_pair(case: Case, *, slots: int) -> tuple[Head, PlainMixture]:
    """A fused and a plain head of IIE (no slots) or III, with the same numbers, in float64."""
    settings = {
        "downsample": case.downsample,
        "readout_factor": case.readout_factor,
        "saliency_map_factor": case.saliency_map_factor,
    }
    plain = PlainMixture(sum(CHANNELS), components=case.components, slots=slots, **settings)
    tensors = fill({key: tuple(x.shape) for key, x in plain.state_dict().items()})
    if case.sigma is not None:
        for key in [key for key in tensors if key.endswith("gauss.sigma")]:
            tensors[key] = torch.tensor(case.sigma)
    tensors = {key: x.double() for key, x in tensors.items()}
    plain.double().load_state_dict(tensors, strict=True)
    config: DeepGazeConfig
    head: Head
    if slots:
        config = DeepGaze3Config(**settings, components=case.components, history=slots)
        head = DeepGaze3Head(config, CHANNELS, case.components)
    else:
        config = DeepGaze2EConfig(**settings, components=case.components)
        head = DeepGaze2EHead(config, CHANNELS, case.components)
    return load_head(head, tensors, torch.float64), plain


def component_densities(
    head: Head, features: Sequence[Tensor], centerbias: Tensor, *history: Tensor
) -> Tensor:
    """Log densities of all components at the image's pixels, (B, K, H, W)."""
    grid, sampled = _grids(head, centerbias)
    parts = list(head(features, grid, sampled, *history))
    return torch.stack([grid.repeated(x) for part in parts for x in part.unbind(1)], 1)


def density(head: Head, features: Sequence[Tensor], centerbias: Tensor, *history: Tensor) -> Tensor:
    """Log density of a head's mixture at the image's pixels, (B, H, W)."""
    grid, sampled = _grids(head, centerbias)
    return grid.repeated(mean_density(head(features, grid, sampled, *history)))


def _grids(head: Head, centerbias: Tensor) -> tuple[FinerGrid, Tensor]:
    factor = head.config.saliency_map_factor
    size = (centerbias.shape[-2], centerbias.shape[-1])
    return FinerGrid.of_blocks(size, factor), nearest_downsample(centerbias, factor)


def published_gradients(head: Head, functional: Tensor) -> dict[str, Tensor]:
    """Derivatives of a number by a head's parameters, by their published names."""
    gradients = torch.autograd.grad(functional, list(head.parameters()))
    holder = copy.deepcopy(head)
    with torch.no_grad():
        for place, gradient in zip(holder.parameters(), gradients, strict=True):
            place.copy_(gradient)
    return {key: view.detach() for key, view in holder.published().items()}


def plain_gradients(plain: nn.Module, functional: Tensor) -> dict[str, Tensor]:
    """Likewise; the encodings of history slots that no image has play no part."""
    names, parameters = zip(*plain.named_parameters(), strict=True)
    gradients = torch.autograd.grad(functional, parameters, allow_unused=True)
    found = zip(names, parameters, gradients, strict=True)
    return {name: torch.zeros_like(p) if g is None else g for name, p, g in found}


def assert_close(ours: Tensor, theirs: Tensor, atol: float) -> None:
    torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=0, atol=atol)


def assert_same_gradients(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Within 1e-8 of each tensor's largest entry, where that is not itself only rounding."""
    assert ours.keys() == theirs.keys()
    overall = max(x.abs().max().item() for x in theirs.values())
    for key, gradient in theirs.items():
        scale = max(gradient.abs().max().item(), 1e-6 * overall)
        difference = (ours[key] - gradient).abs().max().item()
        assert difference < 1e-8 * scale, f"{key}: {difference} of {scale}"
