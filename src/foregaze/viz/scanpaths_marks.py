"""Marks of scanpaths: disks, arrows between them, and numbers that keep clear of each other."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics import Scanpath
from foregaze.types import ImageArray, Size
from foregaze.viz.style import FONT, halo, size_pt

AREA_PT2_PER_MS = 1.1
"""Of a disk, as the square of its diameter, where the panel's long side is `FULL_PT`."""
FULL_PT = 374.0
TYPICAL_MS = 220.0
"""Disks of fixations whose duration is not known are as large as those of so many ms."""
LEAST_PT = 5.0
"""Diameter of the smallest disk, which a fixation of no duration has."""

STAR = "#e8175d"
"""Color of what is pointed out."""

_ORDER_COLORS = matplotlib.colormaps["viridis"]
_OUTLINE = "#101010"


def check_scanpaths(scanpaths: Sequence[Scanpath], image: ImageArray) -> Size:
    """(H, W) of an image that all of some scanpaths lie on.

    Raises:
        ShapeError: Naming the first fixation outside, or if there is no scanpath.
    """
    height, width = image.shape[:2]
    if not scanpaths:
        raise ShapeError("there is no scanpath to draw")
    for number, scanpath in enumerate(scanpaths):
        if scanpath.is_inside((height, width)):
            continue
        x, y = scanpath.x, scanpath.y
        first = int(np.argmax((x < 0) | (x >= width) | (y < 0) | (y >= height)))
        raise ShapeError(
            f"fixation {first} of scanpath {number} is at ({x[first]:g}, {y[first]:g}), outside "
            f"the image of {width}x{height} pixels; both are numbered from 0"
        )
    return height, width


def order_colors(count: int) -> Float[np.ndarray, "{count} 4"]:
    """RGBA from the first fixation, dark, to the last, bright."""
    return np.asarray(_ORDER_COLORS(np.linspace(0.12, 0.98, count)))


def disk_areas(duration_ms: Float[np.ndarray, " N"], panel_pt: float) -> Float[np.ndarray, " N"]:
    """Areas of disks, in square points as matplotlib counts them, in proportion to durations.

    Args:
        duration_ms: NaN where it is not known.
        panel_pt: Long side of the panel; disks are in proportion to it.
    """
    ms = np.where(np.isnan(duration_ms), TYPICAL_MS, duration_ms)
    return np.maximum(ms * AREA_PT2_PER_MS * (panel_pt / FULL_PT) ** 2, LEAST_PT**2)


def draw_disks(
    panel: Axes,
    scanpath: Scanpath,
    areas: Float[np.ndarray, " N"],
    colors: Float[np.ndarray, "N 4"],
) -> None:
    """Disks with a white ring in a dark one, which show on any background; later ones on top."""
    for number, area in enumerate(areas):
        at = scanpath.x[number : number + 1], scanpath.y[number : number + 1]
        opacity = colors[number, 3]
        for rings_pt, color in ((2.6, _OUTLINE), (1.6, "white")):
            panel.scatter(
                *at,
                s=(np.sqrt(area) + rings_pt) ** 2,
                facecolors="none",
                edgecolors=color,
                linewidths=1.1,
                alpha=opacity,
                zorder=3 + number / 1000,
                clip_on=False,
            )
        panel.scatter(
            *at,
            s=area,
            c=[(*colors[number, :3], 0.85 * opacity)],
            linewidths=0,
            zorder=3 + number / 1000,
            clip_on=False,
            gid=f"fixation {number + 1}",
        )


def draw_arrows(
    panel: Axes,
    scanpath: Scanpath,
    areas: Float[np.ndarray, " N"],
    colors: Float[np.ndarray, "N 4"],
    width_pt: float = 1.4,
) -> None:
    """Arrows from rim to rim of disks, in the color of the fixation that they lead to."""
    at_pt = positions_pt(panel, scanpath)
    radii = np.sqrt(areas) / 2 + 2
    for number in range(1, len(scanpath)):
        apart = np.hypot(*(at_pt[number] - at_pt[number - 1]))
        if apart < radii[number - 1] + radii[number] + 3:
            continue
        arrow = FancyArrowPatch(
            (scanpath.x[number - 1], scanpath.y[number - 1]),
            (scanpath.x[number], scanpath.y[number]),
            arrowstyle="-|>",
            mutation_scale=5.5 * width_pt,
            shrinkA=radii[number - 1],
            shrinkB=radii[number],
            linewidth=width_pt,
            color=colors[number],
            joinstyle="miter",
            zorder=2.5,
            path_effects=halo(width_pt + 1.8, f"#101010{round(190 * colors[number, 3]):02x}"),
        )
        panel.add_patch(arrow)


def draw_star(panel: Axes, x: float, y: float) -> None:
    """A star with a white rim in a dark one, above all else."""
    for across_pt, color in ((20.0, _OUTLINE), (17.0, "white"), (12.0, STAR)):
        panel.plot(
            *([x], [y]),
            marker="*",
            markersize=across_pt,
            markerfacecolor=color,
            markeredgewidth=0,
            zorder=7,
            clip_on=False,
        )


def draw_numbers(
    panel: Axes,
    scanpaths: Sequence[Scanpath],
    areas: Sequence[Float[np.ndarray, " _"]],
    text_pt: float,
    outlines: Sequence[str] = (),
    opacity: Float[np.ndarray, " N"] | None = None,
) -> None:
    """Numbers from 1, in their disks or beside them where disks cover each other.

    Args:
        panel: Where the disks are.
        scanpaths: All that share the panel.
        areas: Of each one's disks.
        text_pt: Size of the numbers.
        outlines: Color around the numbers of each scanpath; dark where left out.
        opacity: Of each number, where there is one scanpath.
    """
    owner = np.repeat(np.arange(len(scanpaths)), [len(scanpath) for scanpath in scanpaths])
    order = np.concatenate([np.arange(len(scanpath)) for scanpath in scanpaths])
    as_drawn = np.argsort(order, kind="stable")
    at_px = np.concatenate([np.column_stack([s.x, s.y]) for s in scanpaths])[as_drawn]
    at_pt = np.concatenate([positions_pt(panel, s) for s in scanpaths])[as_drawn]
    radii = np.sqrt(np.concatenate(areas))[as_drawn] / 2
    labels = [f"{number + 1}" for number in order[as_drawn]]
    offsets = place_numbers(at_pt, radii, labels, size_pt(panel), text_pt)
    for place, (label, offset) in enumerate(zip(labels, offsets, strict=True)):
        outline = outlines[owner[as_drawn][place]] if outlines else "#000000"
        panel.annotate(
            label,
            (at_px[place, 0], at_px[place, 1]),
            xytext=(offset[0], -offset[1]),
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            fontsize=text_pt,
            fontfamily=FONT,
            fontweight="bold",
            color="white",
            alpha=None if opacity is None else opacity[place],
            zorder=6,
            annotation_clip=False,
            path_effects=halo(2.4 if outlines else 2.0, f"{outline}d8"),
        )


def positions_pt(panel: Axes, scanpath: Scanpath) -> Float[np.ndarray, "N 2"]:
    """Fixations in points from the panel's top-left corner."""
    width = panel.get_xlim()[1]
    height = panel.get_ylim()[0]
    at_px = np.column_stack([scanpath.x, scanpath.y])
    at_pt: Float[np.ndarray, "N 2"] = at_px * size_pt(panel) / np.array([width, height])
    return at_pt


def place_numbers(
    at_pt: Float[np.ndarray, "N 2"],
    radii_pt: Float[np.ndarray, " N"],
    labels: Sequence[str],
    panel_pt: Float[np.ndarray, " 2"],
    text_pt: float,
) -> Float[np.ndarray, "N 2"]:
    """How far from its disk's center each label stands, in points, y down.

    Most are at the center. Where a later disk covers it, or the label of one, the place is one of
    those around the disk that is free.
    """
    angles = np.arange(12) * np.pi / 6
    around = np.column_stack([np.cos(angles), np.sin(angles)])
    taken = np.empty((0, 2))
    offsets = np.zeros((len(at_pt), 2))
    for number in range(len(at_pt))[::-1]:
        center = at_pt[number]
        half = text_pt * np.array([0.36 * len(labels[number]), 0.42])  # of the label's box
        reaches = radii_pt[number] + half.mean() + np.array([0.5, 0.9, 2.0]) * text_pt
        candidates = np.concatenate([np.zeros((1, 2)), *(reach * around for reach in reaches)])
        places = center + candidates
        other = np.arange(len(at_pt)) != number
        crowding = _covered(places, at_pt[other], radii_pt[other])
        crowding[0] = _covered(places[:1], at_pt[number + 1 :], radii_pt[number + 1 :])[0]
        hidden = _overlaps(places, taken, 2 * half + 0.5)
        outside = ((places < half) | (places > panel_pt - half)).any(axis=1)
        outside[0] = False
        cost = 10.0 * hidden + 4.0 * outside + crowding
        cost += 0.02 * np.hypot(*candidates.T) / text_pt
        offsets[number] = candidates[int(np.argmin(cost))]
        taken = np.vstack([taken, center + offsets[number]])
    return offsets


def _covered(
    places: Float[np.ndarray, "C 2"],
    centers: Float[np.ndarray, "M 2"],
    radii: Float[np.ndarray, " M"],
) -> Float[np.ndarray, " C"]:
    """How deep each place lies in the disks around some centers, at most 1 for each disk."""
    apart = np.linalg.norm(places[:, None] - centers[None], axis=-1)  # (C, M)
    depth: Float[np.ndarray, " C"] = np.clip((radii + 2 - apart) / (radii + 2), 0, 1).sum(axis=1)
    return depth


def _overlaps(
    places: Float[np.ndarray, "C 2"],
    taken: Float[np.ndarray, "M 2"],
    size: Float[np.ndarray, " 2"],
) -> Bool[np.ndarray, " C"]:
    """Whether a box of that size at each place meets one at any place that is taken."""
    apart = np.abs(places[:, None] - taken[None])
    meets: Bool[np.ndarray, " C"] = (apart < size).all(axis=-1).any(axis=1)
    return meets
