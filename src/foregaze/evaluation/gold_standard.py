"""Gold standard: how well other observers' fixations on an image predict one observer's.

For each observer a mixture from all the others on the same image,
    p = sum_k w_k KDE(sigma_k) + w_c center bias + w_u / (H W),
evaluated at that observer's fixated pixels (leave one observer out; Kümmerer, Wallis & Bethge
2015, PNAS 112(52)). Reference on 600 images of OSIE: LL 2.838, 2.344 bits over the center bias.

The same mixture of all observers, the scored one included, is the joint upper bound.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from foregaze.errors import DataError
from foregaze.metrics.checks import values_at
from foregaze.ops.kde import kernel_at, kernel_factors
from foregaze.types import Fixations, Size


@dataclass(frozen=True)
class GoldStandard:
    """Parameters of the mixture; by default those found on OSIE."""

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

        Only values at fixations are needed for a likelihood, so no map is made.

        Args:
            fixations: Evidence on one image, of all observers.
            centerbias: Log density in nats at the image's size, from other images.
            name: The image's name, for the error.

        Raises:
            DataError: If fewer than two observers have a fixation on the image.
        """
        return self._at_fixations(fixations, centerbias, other_observers(fixations, name))

    def joint_log_density_at_fixations(
        self, fixations: Fixations, centerbias: Float[np.ndarray, "H W"]
    ) -> Float[np.ndarray, " N"]:
        """The same from all observers' fixations, each one's own included: an upper bound."""
        everyone = np.ones((len(fixations), len(fixations)), dtype=bool)
        return self._at_fixations(fixations, centerbias, everyone)

    def by_observer(
        self, fixations: Fixations, centerbias: Float[np.ndarray, "H W"], name: str
    ) -> Iterator[tuple[Bool[np.ndarray, " N"], Float[np.ndarray, "H W"]]]:
        """For each observer the rows of their fixations, and the density that predicts them.

        Log densities in nats from all other observers' fixations. Arguments and errors are those
        of `log_density_at_fixations`.
        """
        other_observers(fixations, name)
        kernels = self._kernels(fixations, centerbias.shape)
        everyone = kernels(np.ones(len(fixations), dtype=bool))
        for observer in np.unique(fixations.observer):
            rows = fixations.observer == observer
            others = np.maximum(everyone - kernels(rows), 0.0)  # a difference can round below 0
            yield rows, self._mixed(others / (~rows).sum(), centerbias)

    def log_density(
        self, fixations: Fixations, centerbias: Float[np.ndarray, "H W"]
    ) -> Float[np.ndarray, "H W"]:
        """Log density in nats of the mixture with kernels on these fixations.

        Args:
            fixations: At least one, on one image.
            centerbias: Log density in nats at the image's size, from other images.
        """
        kernels = self._kernels(fixations, centerbias.shape)
        return self._mixed(
            kernels(np.ones(len(fixations), dtype=bool)) / len(fixations), centerbias
        )

    def describe(self) -> str:
        """The parameters in words, for a report."""
        kernels = " + ".join(
            f"{weight:.3f} x {sigma_px:g} px"
            for weight, sigma_px in zip(self.kernel_weights, self.sigmas_px, strict=True)
        )
        return (
            f"{kernels} + {self.centerbias_weight:.3f} center bias + "
            f"{self.uniform_weight:.4f} uniform (px where an image is {self.reference_width} wide)"
        )

    def _at_fixations(
        self,
        fixations: Fixations,
        centerbias: Float[np.ndarray, "H W"],
        counted: Bool[np.ndarray, "N N"],
    ) -> Float[np.ndarray, " N"]:
        parts = component_densities(
            fixations, centerbias, counted, self.sigmas_px, self.reference_width
        )  # (N, K)
        weights = [*self.kernel_weights, self.centerbias_weight, self.uniform_weight]
        log_density: Float[np.ndarray, " N"] = np.log(parts @ np.array(weights))
        return log_density

    def _kernels(
        self, fixations: Fixations, size: Size
    ) -> Callable[[Bool[np.ndarray, " N"]], Float[np.ndarray, "H W"]]:
        """The weighted sum of all kernels of some of the fixations."""
        factors = [
            (weight, kernel_factors(fixations.x, fixations.y, size, self._sigma_px(sigma_px, size)))
            for weight, sigma_px in zip(self.kernel_weights, self.sigmas_px, strict=True)
        ]

        def kernels(rows: Bool[np.ndarray, " N"]) -> Float[np.ndarray, "H W"]:
            along_y = np.concatenate([weight * y[:, rows] for weight, (y, _) in factors], axis=1)
            along_x = np.concatenate([x[:, rows] for _, (_, x) in factors], axis=1)
            total: Float[np.ndarray, "H W"] = along_y @ along_x.T
            return total

        return kernels

    def _mixed(
        self, kernels: Float[np.ndarray, "H W"], centerbias: Float[np.ndarray, "H W"]
    ) -> Float[np.ndarray, "H W"]:
        """Log density of the mixture, given its weighted mean kernel."""
        density = kernels + self.centerbias_weight * np.exp(centerbias)
        density += self.uniform_weight / density.size
        density /= density.sum()
        log_density: Float[np.ndarray, "H W"] = np.log(density, out=density)
        return log_density

    def _sigma_px(self, sigma_px: float, size: Size) -> float:
        return sigma_px * size[1] / self.reference_width


def component_densities(
    fixations: Fixations,
    centerbias: Float[np.ndarray, "H W"],
    counted: Bool[np.ndarray, "N N"],
    sigmas_px: tuple[float, ...],
    reference_width: int,
) -> Float[np.ndarray, "N K"]:
    """Density of each component at each fixation: kernels of each width, center bias, uniform.

    Args:
        fixations: N fixations on one image; they are both the kernels and the places.
        centerbias: Log density in nats at the image's size.
        counted: Whether the kernel of a column's fixation counts at a row's.
        sigmas_px: Kernel widths in pixels of a stimulus `reference_width` wide.
        reference_width: Pixels.
    """
    size: Size = (centerbias.shape[0], centerbias.shape[1])
    column, row = fixations.column, fixations.row
    kernels_counted = counted.sum(1)
    parts = np.empty((len(fixations), len(sigmas_px) + 2))
    for k, sigma_px in enumerate(sigmas_px):
        kernels = kernel_at(
            column + 0.5,
            row + 0.5,
            fixations.x,
            fixations.y,
            size,
            sigma_px * size[1] / reference_width,
        )  # (N, N)
        parts[:, k] = (kernels * counted).sum(1) / kernels_counted
    parts[:, -2] = np.exp(values_at(centerbias, column, row))
    parts[:, -1] = 1 / (size[0] * size[1])
    return parts


def other_observers(fixations: Fixations, name: str) -> Bool[np.ndarray, "N N"]:
    """Whether a column's fixation is by another observer than a row's."""
    observers = len(np.unique(fixations.observer))
    if observers < 2:
        raise DataError(
            f"image {name} has evidence fixations of {observers} "
            f"observer{'s' * (observers != 1)}: a gold standard needs at least two"
        )
    other: Bool[np.ndarray, "N N"] = fixations.observer[:, None] != fixations.observer
    return other
