"""Empirical saliency maps: where people did look, blurred.

CC, KLDiv and SIM compare a prediction with such a map, so its blur is part of these metrics.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from foregaze.errors import ShapeError
from foregaze.ops.gaussian import blurred_counts
from foregaze.types import Size

BLUR_SHARE = 24 / 1024
"""Blur of empirical maps on MIT1003 and MIT300, as a share of the longer image side."""

MIT_CUTOFF = 8
"""Cut-off of the old MIT code's low-pass filter, in cycles per image."""


def empirical_map(
    x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"], size: Size, sigma_px: float
) -> Float[np.ndarray, "H W"]:
    """Blurred counts of fixations, as the MIT/Tübingen benchmark makes them.

    Gaussian kernel, cut off at 4 standard deviations, edges mirrored; sums to one. The benchmark
    takes 24 px for MIT300 and MIT1003, 40 for CAT2000, 30 for COCO-Freeview; one degree of visual
    angle is the custom elsewhere.

    Args:
        x: Columns of the fixations.
        y: Rows of the fixations.
        size: (H, W) of the image.
        sigma_px: Standard deviation of the kernel.

    Raises:
        ShapeError: Without fixations, or where one lies outside.
    """
    _check_inside(x, y, size)
    return blurred_counts(x, y, size, sigma_px) / len(x)


def empirical_map_mit(
    x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"], size: Size, cutoff: int = MIT_CUTOFF
) -> Float[np.ndarray, "H W"]:
    """Low-passed binary map of fixated pixels, as the MIT benchmark's MATLAB code makes it.

    Padded with zeros to a square whose side n is a power of two and filtered in the Fourier
    domain, gain exp(-ln 2 f^2 / cutoff^2) at f cycles per n pixels: a Gaussian of
    n sqrt(ln 2 / (2 pi^2)) / cutoff px, 24 px for n = 1024. Each pixel counts once.

    Args:
        x: Columns of the fixations.
        y: Rows of the fixations.
        size: (H, W) of the image.
        cutoff: Cycles per n pixels at which half is left.

    Raises:
        ShapeError: Without fixations, or where one lies outside.
    """
    _check_inside(x, y, size)
    side = 2 ** math.ceil(math.log2(max(size)))
    padded = np.zeros((side, side))
    padded[y, x] = 1.0
    cycles = np.fft.fftfreq(side, 1 / side)
    gain = np.exp(-math.log(2) * (cycles[:, None] ** 2 + cycles**2) / cutoff**2)
    smooth = np.fft.ifft2(np.fft.fft2(padded) * gain).real
    cropped: Float[np.ndarray, "H W"] = smooth[: size[0], : size[1]]
    return cropped


def _check_inside(x: Int[np.ndarray, " N"], y: Int[np.ndarray, " N"], size: Size) -> None:
    if not len(x):
        raise ShapeError("an empirical map needs fixations, and there are none")
    outside = (x < 0) | (x >= size[1]) | (y < 0) | (y >= size[0])
    if outside.any():
        raise ShapeError(
            f"{int(outside.sum())} of {len(x)} fixations lie outside the {size[0]}x{size[1]} "
            "image: drop them first"
        )
