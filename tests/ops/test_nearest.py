import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from foregaze.ops.nearest import (
    CompactAxis,
    CompactGrid,
    downsampled_length,
    nearest_downsample,
    nearest_index,
    select,
)


def repeated(x: Tensor, size: tuple[int, int]) -> Tensor:
    """PyTorch's own; in single precision, where its sources are those of the published models."""
    return F.interpolate(x.float(), size=size, mode="nearest").to(x)


def maps(*sizes: tuple[int, int]) -> list[Tensor]:
    """Maps in which every cell has another value."""
    return [torch.arange(float(h * w)).reshape(1, 1, h, w) for h, w in sizes]


def test_index_is_pytorchs_for_all_small_lengths():
    for n_in, n_out in itertools.product(range(1, 33), repeat=2):
        x = torch.arange(float(n_in))[None, None]
        expected = F.interpolate(x, size=n_out, mode="nearest")[0, 0]
        assert torch.equal(nearest_index(n_in, n_out).float(), expected)


def test_index_is_that_of_single_precision_where_exact_arithmetic_differs():
    pairs = [
        (n_in, n_out)
        for n_in, n_out in itertools.product(range(1, 120), repeat=2)
        if nearest_index(n_in, n_out).tolist() != [d * n_in // n_out for d in range(n_out)]
    ]
    assert pairs  # otherwise nothing is shown here
    for n_in, n_out in pairs:
        ratio = torch.tensor(n_in, dtype=torch.float32) / n_out
        by_hand = (torch.arange(n_out, dtype=torch.float32) * ratio).floor().clamp(max=n_in - 1)
        assert torch.equal(nearest_index(n_in, n_out), by_hand.long())


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 3.0, 4.0, 7.0])
def test_downsampling_is_pytorchs_by_scale_factor(factor):
    for height, width in [(8, 9), (13, 31), (64, 101), (150, 202)]:
        (x,) = maps((height, width))
        expected = F.interpolate(x, scale_factor=1 / factor, mode="nearest")
        assert torch.equal(nearest_downsample(x, factor), expected)
        assert torch.equal(nearest_downsample(x.double(), factor), expected.double())
        assert torch.equal(nearest_downsample(x[0, 0], factor), expected[0, 0])


def test_downsampling_by_four_keeps_the_top_left_pixel_of_each_block():
    (x,) = maps((11, 14))
    assert torch.equal(nearest_downsample(x, 4.0), x[..., :8:4, :12:4])


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 3.0, 49.0])
def test_downsampled_length_is_that_of_what_is_downsampled(factor):
    for n in range(99, 400):
        x = torch.zeros(1, n)
        rows = nearest_downsample(x.expand(99, n), factor)
        assert rows.shape[-1] == downsampled_length(n, factor)


def test_compact_axis_repeats_to_what_pytorch_gives_for_all_small_lengths():
    for n, m, n_out in itertools.product(range(1, 10), range(1, 10), range(1, 14)):
        axis = CompactAxis.of([n, m], n_out)
        for number, length in enumerate((n, m)):
            index = nearest_index(length, n_out)
            assert torch.equal(axis.sources[number][axis.place], index)
            counted = [index.tolist().count(cell) for cell in range(length)]
            assert axis.counts_of(number, length).tolist() == counted
        cells = list(zip(*(nearest_index(k, n_out).tolist() for k in (n, m)), strict=True))
        assert len(axis.counts) == len(set(cells))  # nothing is kept twice
        assert axis.counts.tolist() == [len(list(g)) for _, g in itertools.groupby(cells)]


SIZES = [
    (((3, 4),), (12, 16)),
    (((3, 4), (3, 4)), (7, 9)),
    (((5, 7), (3, 4), (2, 3)), (13, 17)),
    (((25, 35), (7, 9)), (7, 9)),
    (((25, 35), (4, 5), (1, 1)), (9, 11)),
    (((6, 8),), (6, 8)),
]


@pytest.mark.parametrize(("sizes", "target"), SIZES)
def test_gathered_and_expanded_maps_are_resized_ones(sizes, target):
    grid = CompactGrid.of(sizes, target)
    for number, x in enumerate(maps(*sizes)):
        assert torch.equal(grid.expand(grid.gather(x, number)), repeated(x, target))


@pytest.mark.parametrize(("sizes", "target"), SIZES)
def test_counts_are_how_often_a_cell_is_in_the_resized_map(sizes, target):
    grid = CompactGrid.of(sizes, target)
    joined = torch.zeros(target)  # one number for each combination of cells
    for number, x in enumerate(maps(*sizes)):
        large = repeated(x, target)[0, 0]
        counts = grid.counts_of(number, x)
        assert torch.equal(
            counts,
            torch.bincount(large.long().flatten(), minlength=x.numel())
            .reshape(x.shape[-2:])
            .float(),
        )
        joined = joined * x.numel() + large
    _, expected = joined.long().unique(return_counts=True)
    ours = grid.counts(joined)
    assert ours.sum().item() == target[0] * target[1]
    assert sorted(ours.flatten().tolist()) == sorted(expected.tolist())


def test_cells_that_a_coarser_grid_skips_are_counted_zero_times():
    (x,) = maps((6, 6))
    counts = CompactGrid.of([(6, 6)], (3, 3)).counts_of(0, x)
    assert torch.equal(counts[::2, ::2], torch.ones(3, 3))
    assert counts.sum().item() == 9


def test_select_takes_rows_and_columns_in_the_order_given():
    x = torch.arange(12.0).reshape(3, 4)
    rows, columns = torch.tensor([2, 0, 0]), torch.tensor([3, 1])
    assert select(x, rows, columns).tolist() == [[11, 9], [3, 1], [3, 1]]
    assert select(x, torch.arange(3), torch.arange(4)) is x
