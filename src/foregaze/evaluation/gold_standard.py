"""Gold standard: how well other observers' fixations on an image predict one observer's.

For each observer a mixture from all the others on the same image,
    p = sum_k w_k KDE(sigma_k) + w_c center bias + w_u / (H W),
evaluated at that observer's fixated pixels (leave one observer out; Kümmerer, Wallis & Bethge
2015, PNAS 112(52)). Only values at fixations are needed, so no map is ever made. Reference on
600 images of OSIE: LL 2.838, 2.344 bits over the center bias.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from foregaze.errors import DataError
from foregaze.metrics.checks import values_at
from foregaze.ops.kde import kernel_at
from foregaze.types import Fixations


@dataclass(frozen=True)
class GoldStandard:
    """Parameters of the mixture, found on OSIE by leave-one-observer-out likelihood."""

    sigmas_px: tuple[float, ...] = (12.0, 25.0)
    """Kernel widths in pixels of a stimulus `reference_width` wide; they scale with the width,
    as the center bias does. On OSIE 24 px are one degree, so these are 0.5 and 1.04 degrees."""
    kernel_weights: tuple[float, ...] = (0.945 * 0.7, 0.945 * 0.3)
    """Share of the kernel density of each width; all shares sum to one."""
    centerbias_weight: float = 0.05
    uniform_weight: float = 0.005
    reference_width: int = 800

    def log_density_at_fixations(
        self, fixations: Fixations, centerbias: Float[np.ndarray, "H W"], name: str
    ) -> Float[np.ndarray, " N"]:
        """Log density in nats per pixel at each fixation, from the other observers' fixations.

        Args:
            fixations: Evidence on one image, of all observers.
            centerbias: Log density in nats at the image's size, from other images.
            name: The image's name, for the error.

        Raises:
            DataError: If fewer than two observers have a fixation on the image.
        """
        observers = len(np.unique(fixations.observer))
        if observers < 2:
            raise DataError(
                f"image {name} has evidence fixations of {observers} "
                f"observer{'s' * (observers != 1)}: a gold standard needs at least two"
            )
        height, width = centerbias.shape
        column, row = fixations.column, fixations.row
        other = fixations.observer[:, None] != fixations.observer  # (N, N)
        kernels = np.zeros(other.shape)
        for weight, sigma_px in zip(self.kernel_weights, self.sigmas_px, strict=True):
            kernels += weight * kernel_at(
                column + 0.5,
                row + 0.5,
                fixations.x,
                fixations.y,
                (height, width),
                sigma_px * width / self.reference_width,
            )
        density: Float[np.ndarray, " N"] = (kernels * other).sum(1) / other.sum(1)
        density += self.centerbias_weight * np.exp(values_at(centerbias, column, row))
        density += self.uniform_weight / (height * width)
        np.log(density, out=density)
        return density
