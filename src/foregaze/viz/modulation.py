"""Pictures of what SPADE makes of segments: where it raises, lowers and shifts features.

`h w` readout grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure
from skimage.segmentation import find_boundaries

from foregaze.types import ImageArray
from foregaze.viz.style import FONT, INK, TEXT_PT

_PANEL_INCHES = (2.3, 1.75)
_TITLES = ("segments", "mean of gamma", "size of gamma", "mean of beta", "size of beta")


@dataclass(frozen=True, eq=False)
class ModulatedImage:
    """An image, its segments, and the maps of one SPADE norm over the channels."""

    image: ImageArray
    segments: Int[np.ndarray, "H W"]
    gamma: Float[np.ndarray, "C h w"]
    beta: Float[np.ndarray, "C h w"]


def draw_modulation(shown: Sequence[ModulatedImage]) -> Figure:
    """A row for each image: segments, then mean over channels and root mean square of each map.

    Colors of a column mean the same in all rows: red above zero, blue below; the root mean squares
    are dark at zero.

    Args:
        shown: Images.
    """
    columns = [_columns(one) for one in shown]
    limits = [max(float(np.abs(row[n]).max()) for row in columns) or 1.0 for n in range(4)]
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(5 * width, len(shown) * height + 0.3), layout="constrained")
    axes = figure.subplots(len(shown), 5, squeeze=False)
    for row, (one, maps) in enumerate(zip(shown, columns, strict=True)):
        edges: Bool[np.ndarray, "H W"] = find_boundaries(  # type: ignore[no-untyped-call]
            one.segments, mode="thick"
        )
        axes[row][0].imshow(np.where(edges[..., None], np.uint8(255), one.image))
        for n, values in enumerate(maps):
            signed = n % 2 == 0
            drawn = axes[row][n + 1].imshow(
                values,
                cmap=matplotlib.colormaps["RdBu_r" if signed else "magma"],
                vmin=-limits[n] if signed else 0.0,
                vmax=limits[n],
                interpolation="nearest",
            )
            if row == len(shown) - 1:
                bar = figure.colorbar(drawn, ax=[a[n + 1] for a in axes], location="bottom")
                bar.ax.tick_params(labelsize=TEXT_PT - 1)
        for n, title in enumerate(_TITLES):
            axes[row][n].set_axis_off()
            if row == 0:
                axes[row][n].set_title(title, fontsize=TEXT_PT, color=INK, family=FONT)
    return figure


def _columns(one: ModulatedImage) -> list[Float[np.ndarray, "h w"]]:
    found = []
    for maps in (one.gamma, one.beta):
        found += [maps.mean(0), np.sqrt((maps**2).mean(0))]
    return found
