"""PyTorch's nearest-neighbor interpolation as indices, and what pointwise layers gain from them.

Nearest upsampling repeats cells, so a pointwise layer gives the same on the repeated cells as on
the cells themselves. A grid that several feature maps are upsampled to therefore holds few
different cells, laid out in rows and columns that are each repeated some number of times:
`CompactGrid` finds them, and sums over the large grid become weighted sums over the small one.

`H W` cells of the large grid, `h w` different ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from foregaze.types import Size


def nearest_index(n_in: int, n_out: int) -> Int[Tensor, " {n_out}"]:
    """Source of each output cell when `n_in` cells are resized to `n_out`.

    PyTorch's "nearest" by target size: floor(d * n_in / n_out), with ratio and product in single
    precision, which is not always what exact arithmetic gives. Asked of PyTorch itself.
    """
    source = torch.arange(n_in, dtype=torch.float32)[None, None]
    return F.interpolate(source, size=n_out, mode="nearest")[0, 0].long()


def nearest_downsample(
    x: Float[Tensor, "*batch H W"], factor: float
) -> Float[Tensor, "*batch h w"]:
    """Every `factor`-th row and column: the top-left cell of each block.

    PyTorch's "nearest" by scale factor in single precision, whatever the precision of `x`.
    """
    rows, columns = (_downsampled_index(n, factor) for n in x.shape[-2:])
    return select(x, rows, columns)


def downsampled_length(n: int, factor: float) -> int:
    """Cells that `nearest_downsample` leaves of `n`."""
    return math.floor(n * (1 / factor))


def _downsampled_index(n: int, factor: float) -> Int[Tensor, " h"]:
    if factor == 1:
        return torch.arange(n)
    source = torch.arange(n, dtype=torch.float32)[None, None]
    return F.interpolate(source, scale_factor=1 / factor, mode="nearest")[0, 0].long()


@dataclass(frozen=True, eq=False)
class CompactAxis:
    """One axis of a grid that several maps are resized to, without its repetitions."""

    sources: tuple[Int[Tensor, " h"], ...]
    """For each map, the source of every different cell."""
    place: Int[Tensor, " H"]
    """Which different cell stands at each place of the large grid."""

    @classmethod
    def of(cls, lengths: Sequence[int], n_out: int) -> "CompactAxis":
        """The axis of maps with these lengths, all resized to `n_out` cells."""
        indices = torch.stack([nearest_index(length, n_out) for length in lengths])
        different, place = torch.unique_consecutive(indices, dim=1, return_inverse=True)
        return cls(tuple(different), place)

    @property
    def counts(self) -> Int[Tensor, " h"]:
        """How often each different cell is repeated."""
        return torch.bincount(self.place, minlength=len(self.sources[0]))

    def counts_of(self, number: int, length: int) -> Int[Tensor, " {length}"]:
        """How often each cell of map `number` appears in the large grid; some may not at all."""
        return torch.bincount(self.sources[number][self.place], minlength=length)


@dataclass(frozen=True, eq=False)
class CompactGrid:
    """The different cells of a grid that several maps are resized to."""

    rows: CompactAxis
    columns: CompactAxis

    @classmethod
    def of(cls, sizes: Sequence[Size], target: Size) -> "CompactGrid":
        """The grid of maps with these sizes, all resized to `target`."""
        heights, widths = zip(*sizes, strict=True)
        return cls(CompactAxis.of(heights, target[0]), CompactAxis.of(widths, target[1]))

    def counts(self, like: Tensor) -> Float[Tensor, "h w"]:
        """How often each different cell is repeated."""
        return _outer(self.rows.counts, self.columns.counts, like)

    def counts_of(self, number: int, like: Float[Tensor, "*batch H W"]) -> Float[Tensor, "H W"]:
        """How often each cell of map `number`, which `like` is, appears in the large grid."""
        height, width = like.shape[-2:]
        rows = self.rows.counts_of(number, height)
        return _outer(rows, self.columns.counts_of(number, width), like)

    def gather(self, x: Float[Tensor, "*batch H W"], number: int) -> Float[Tensor, "*batch h w"]:
        """The different cells' values of map `number`."""
        return select(x, self.rows.sources[number], self.columns.sources[number])

    def expand(self, x: Float[Tensor, "*batch h w"]) -> Float[Tensor, "*batch H W"]:
        """Values of the different cells, repeated to the large grid."""
        return select(x, self.rows.place, self.columns.place)


def select(
    x: Float[Tensor, "*batch h w"], rows: Int[Tensor, " H"], columns: Int[Tensor, " W"]
) -> Float[Tensor, "*batch H W"]:
    """Rows and columns of a map by index, in the order given."""
    for dim, index in ((-2, rows), (-1, columns)):
        n = x.shape[dim]
        if len(index) != n or not torch.equal(index, torch.arange(n)):
            x = x.index_select(dim, index.to(x.device))
    return x


def _outer(rows: Tensor, columns: Tensor, like: Tensor) -> Tensor:
    outer: Tensor = rows[:, None] * columns[None, :]
    return outer.to(like)
