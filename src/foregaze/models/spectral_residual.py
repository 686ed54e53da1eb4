"""Spectral residual: what is left of an image's spectrum when its smooth part is taken away.

Hou & Zhang (2007), "Saliency detection: a spectral residual approach", CVPR. With A the amplitude
and P the phase of the spectrum of the gray image, 64 px on its shorter side,
    R = log A - (3x3 mean of log A),    S = |inverse FFT of exp(R + iP)|^2, blurred.
The blur is the authors' published code's, a 10x10 kernel of 2.5 px at this size.
"""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

SHORTER_SIDE_PX = 64
BLUR_PX = 2.5


def spectral_residual(image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W"]:
    """Saliency map at the image's size; at least 0, no particular scale."""
    height, width = image.shape[:2]
    scale = SHORTER_SIDE_PX / min(height, width)
    small_size = max(1, round(width * scale)), max(1, round(height * scale))
    gray = Image.fromarray(image).convert("L").resize(small_size, Image.Resampling.BILINEAR)
    spectrum = np.fft.fft2(np.asarray(gray, dtype=np.float64) / 255)
    amplitude = np.abs(spectrum)
    floor = 1e-9 * amplitude.max() or 1.0  # flat images have frequencies of amplitude 0
    log_amplitude = np.log(np.maximum(amplitude, floor))
    residual = log_amplitude - uniform_filter(log_amplitude, 3, mode="wrap")
    saliency = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    saliency = gaussian_filter(saliency, BLUR_PX, truncate=2.0)
    enlarged = Image.fromarray(saliency.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    return np.asarray(enlarged, dtype=np.float64)
