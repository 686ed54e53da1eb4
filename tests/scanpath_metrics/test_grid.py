import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.scanpath_metrics.grid import grid_symbols
from tests.scanpath_metrics.conftest import SIZE, GoldenPair


def test_symbols_are_the_published_strings(golden: GoldenPair):
    for name in "ab":
        scanpath = getattr(golden, name)
        symbols = grid_symbols(scanpath.x, scanpath.y, SIZE, rows=3, columns=4)
        assert symbols.tolist() == golden.values[f"string_{name}_4x3"]


def test_a_symbol_is_row_times_columns_plus_column():
    x, y = np.array([0.0, 19.9, 20.0, 79.9]), np.array([0.0, 19.9, 40.0, 59.9])
    assert grid_symbols(x, y, (60, 80), rows=3, columns=4).tolist() == [0, 0, 9, 11]


def test_outside_counts_to_the_nearest_cell_of_the_edge():
    x, y = np.array([-5.0, 80.0, 1e9]), np.array([70.0, -1.0, 1e9])
    assert grid_symbols(x, y, (60, 80), rows=3, columns=4).tolist() == [8, 3, 11]


@pytest.mark.parametrize("size", [(7, 13), (601, 799)])
def test_a_side_that_the_cells_do_not_divide_has_no_further_column(size):
    height, width = size
    x = np.linspace(0, width - 0.01, 500)
    y = np.full(500, height - 0.01)
    assert set(grid_symbols(x, y, size, 5, 5).tolist()) == set(range(20, 25))


def test_a_grid_without_cells_is_refused():
    with pytest.raises(ShapeError, match="a grid of 0x4 cells on 60x80 px has no cell"):
        grid_symbols(np.zeros(1), np.zeros(1), (60, 80), rows=0, columns=4)
