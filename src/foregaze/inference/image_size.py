"""Whether an image is neither too small nor too large for a DeepGaze model.

Networks need some pixels on each side, and see an image at other sizes than its own.
"""

from itertools import count

from foregaze.errors import ShapeError
from foregaze.images import MAX_PIXELS
from foregaze.models import DeepGazeMSDB
from foregaze.models.deepgaze import DeepGaze
from foregaze.ops.nearest import downsampled_length
from foregaze.types import Size

_HINT = "give a larger or less elongated image"


def check_not_too_large(size: Size, wanted: float, pixels_per_degree: float) -> None:
    """Refuse an image that would become huge by being brought to a resolution.

    Args:
        size: (H, W) of the image.
        wanted: Pixels per degree of visual angle that it is brought to.
        pixels_per_degree: Those that it has.

    Raises:
        ShapeError: If it would have more than `MAX_PIXELS` pixels.
    """
    factor = wanted / pixels_per_degree
    if (size[0] * factor) * (size[1] * factor) > MAX_PIXELS:
        raise ShapeError(
            f"image of {_text(size)} pixels, of which {pixels_per_degree:g} are a degree of visual "
            f"angle, has more than {MAX_PIXELS:,} when it is rescaled to {wanted:g} of them, and "
            "that is the limit"
        )


def check_not_too_small(
    name: str,
    model: DeepGaze | DeepGazeMSDB,
    size: Size,
    seen: Size,
    pixels_per_degree: float | None,
) -> None:
    """Refuse an image that is too small for one of a model's networks.

    Args:
        name: What the model was loaded as.
        model: The model.
        size: (H, W) of the image.
        seen: Its (H, W) as the model is given it.
        pixels_per_degree: Pixels per degree of visual angle; DeepGaze MSDB needs them.

    Raises:
        ShapeError: If it is.
    """
    network_side = max(getattr(network, "smallest_side_px", 1) for network in model.backbones)
    if isinstance(model, DeepGazeMSDB):
        assert pixels_per_degree is not None
        smallest = min(model.scales.sizes(seen, pixels_per_degree), key=min)
        if min(smallest) < network_side:
            raise ShapeError(
                f"image of {_text(size)} pixels is too small for {name!r}, which sees it as "
                f"{_text(smallest)} at one of its scales, at {pixels_per_degree:g} pixels per "
                f"degree of visual angle, and needs sides of {network_side}: {_HINT}"
            )
        return
    needed = _smallest_side(model, network_side)
    if min(seen) < needed:
        at = "" if seen == size else f" rescaled to {_text(seen)}"
        raise ShapeError(
            f"image of {_text(size)} pixels{at} is too small for {name!r}, which needs sides of "
            f"{needed}: {_HINT}"
        )


def _smallest_side(model: DeepGaze, network_side: int) -> int:
    """Shortest side that a model can be given, so that its networks get theirs."""
    config = model.config
    return next(
        side
        for side in count(1)
        if downsampled_length(side, config.downsample) >= network_side
        and downsampled_length(side, config.saliency_map_factor) >= 1
    )


def _text(size: Size) -> str:
    return f"{size[1]}x{size[0]}"
