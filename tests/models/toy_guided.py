"""The DinoGaze family at toy size, in float64, on networks of a few convolutions."""

from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from foregaze.models import MODELS, deepgaze
from foregaze.models.deepgaze_config import BackboneConfig
from tests.models.plain_spade import plain_density
from tests.models.toy_heads import assert_close, numbers

HEIGHT, WIDTH = 61, 83
BATCH, HISTORY, COMPONENTS = 3, 4, 2
CHANNELS = (6, 5, 3)
"""Of the toy network's taps, on grids of 7x10, 15x20 and 4x6 cells."""
SPADE = {"spade_hidden": 5, "most_segments": 9}


class Patches(nn.Module):
    """Taps from one convolution each; `channels` as frozen networks have it."""

    def __init__(self, seed: int, taps: int) -> None:
        super().__init__()
        self.channels = CHANNELS[:taps]
        self.taps = nn.ModuleList(
            nn.Conv2d(3, channels, side, stride=side)
            for channels, side in zip(self.channels, (8, 4, 13), strict=False)
        )
        for number, parameter in enumerate(self.parameters()):
            parameter.data = numbers(seed + number, *parameter.shape) / 9
        self.requires_grad_(False)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return [tap(pixels / 64 - 2) for tap in self.taps]


def backbone(seed: int, taps: int = 3) -> BackboneConfig:
    """What the toy networks are asked for by."""
    return BackboneConfig(name=str(seed), taps=("0",) * taps, weights="random:0")


MODEL_CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "dinogaze": ("dinogaze", {}),
    "A": ("dinogaze-spade", {"variant": "A", **SPADE}),
    "B": ("dinogaze-spade", {"variant": "B", **SPADE}),
    "C": ("dinogaze-spade", {"variant": "C", **SPADE}),
    "static": ("deepgaze-spade-static", {"embedding": 4, **SPADE}),
    "dynamic": ("deepgaze-spade-dynamic", SPADE),
    "hybrid": ("deepgaze-spade-hybrid", {"backbones": (backbone(100), backbone(200, 1)), **SPADE}),
}
"""Architecture and settings of each model and variant."""
EVERY = tuple(MODEL_CHANGES)
PAINTED = ("A", "B", "C", "dynamic", "hybrid")
SEGMENTED = (*PAINTED, "static")


def toy(name: str, *, drawn: bool = True, **changes: Any) -> Any:
    """A model of `MODEL_CHANGES`, with other parameters than it begins with where asked for."""
    architecture, settings = MODEL_CHANGES[name]
    kind = MODELS[architecture]
    given = {"backbones": (backbone(100),), "components": COMPONENTS, "blur_sigma": 2.5}
    config = kind.Config(**(given | settings | changes))
    made = lambda b: Patches(int(b.name), len(b.taps))  # noqa: E731
    with torch.random.fork_rng(), mock.patch.object(deepgaze, "create_frozen", made):
        torch.manual_seed(0)
        model = kind(config).double().eval()
    if not drawn:
        return model
    with torch.no_grad():
        for number, (key, parameter) in enumerate(model.named_parameters()):
            if parameter.requires_grad:
                scale = 0.05 if "sigma" in key or parameter.ndim == 5 else 0.3
                parameter.add_(scale * numbers(number, *parameter.shape))
    return model


def pixels() -> Tensor:
    """Images in 0..255."""
    return 255 * numbers(50, BATCH, 3, HEIGHT, WIDTH).sigmoid()


def centerbias() -> Tensor:
    """Normalized, and different for the images."""
    x = numbers(51, BATCH, HEIGHT, WIDTH)
    return x - x.logsumexp((-2, -1), keepdim=True)


def history(length: int = HISTORY) -> tuple[Tensor, ...]:
    """Image i has i + 1 past fixations, but the last one none."""
    if not length:
        return ()
    x = (WIDTH - 1) * numbers(52, BATCH, length).sigmoid()
    y = (HEIGHT - 1) * numbers(53, BATCH, length).sigmoid()
    for number in range(BATCH):
        known = 0 if number == BATCH - 1 else number + 1
        x[number, known:], y[number, known:] = torch.nan, torch.nan
    return x, y


def segments() -> list[Tensor]:
    """Blobs, a different number in each image, one of a single pixel."""
    maps = []
    for number in range(BATCH):
        generator = torch.Generator().manual_seed(number)
        coarse = torch.randint(0, 4 + number, (6, 5), generator=generator)
        rows, columns = torch.arange(HEIGHT) * 6 // HEIGHT, torch.arange(WIDTH) * 5 // WIDTH
        found = coarse[rows[:, None], columns].clone()
        found[17 + number, 30] = 4 + number
        maps.append(found)
    return maps


def inputs(name: str, length: int = HISTORY) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """What `forward` of a toy model takes."""
    options = {"segments": segments()} if name in SEGMENTED else {}
    return (pixels(), centerbias(), *history(length)), options


@torch.no_grad()
def assert_is_plain(name: str, length: int, **changes: Any) -> None:
    """The model's density is that of the plain algorithm, whatever the history."""
    model = toy(name, history=length, **changes)
    given, options = inputs(name, length)
    ours, theirs = model(*given, **options), plain_density(model, *given, **options)
    assert ours.isfinite().all()
    assert_close(ours[:-1], theirs[:-1], atol=1e-10)
    # Where there is no fixation, the plain norm divides the rounding of a constant by 1e-6.
    assert_close(ours[-1], theirs[-1], atol=1e-10 if length == 0 else 2e-9)


def trained(module: nn.Module) -> int:
    """Number of parameters that are trained."""
    return sum(x.numel() for x in module.parameters() if x.requires_grad)


def published_head(kind: Any, config: Any, *channels: Any) -> Any:
    """One component's head with as many channels as the published backbones have."""
    with torch.device("meta"):
        return kind(config, channels[0], 1, *channels[1:])


DINOV2_CHANNELS = (1024, 1024, 1024)
DENSENET_CHANNELS = (1888, 128, 32)
