import numpy as np
import pytest
import torch
import torch.nn.functional as F

from foregaze.ops.cells import cell_of_pixels, neighbors_of_pixels


@pytest.mark.parametrize(
    ("cells", "pixels"), [(3, 7), (7, 3), (5, 5), (1, 6), (6, 1), (144, 600), (8, 61)]
)
def test_neighbors_and_their_shares_are_those_of_linear_interpolation(cells, pixels):
    values = np.random.default_rng(0).normal(size=cells)
    expected = F.interpolate(torch.tensor(values)[None, None], size=pixels, mode="linear")[0, 0]
    before, after, share = neighbors_of_pixels(np.arange(pixels), cells, pixels)
    found = values[before] * (1 - share) + values[after] * share
    np.testing.assert_allclose(found, expected, atol=1e-12)


SIDES = [*range(1, 70), 97, 128, 143, 255, 480, 490, 600, 640, 644, 768, 800, 1000, 1023, 1024]


def of_pytorch(pixels: int, cells: int) -> np.ndarray:
    numbers = torch.arange(cells, dtype=torch.float32)[None, None]
    found = F.interpolate(numbers, size=pixels, mode="nearest-exact")[0, 0]
    return found.numpy().astype(np.int64)


@pytest.mark.parametrize("cells", [1, 2, 3, 4, 5, 7, 8, 16, 34, 35, 46, 55, 74])
def test_cells_of_pixels_are_those_of_pytorchs_nearest_exact(cells):
    for pixels in SIDES:
        found, expected = cell_of_pixels(pixels, cells), of_pytorch(pixels, cells)
        # Of a center on the border of two cells, PyTorch's own kernels say one thing and another.
        on_border = (2 * np.arange(pixels) + 1) * cells % (2 * pixels) == 0
        np.testing.assert_array_equal(found[~on_border], expected[~on_border], err_msg=str(pixels))
        border = (np.arange(pixels)[on_border] + 0.5) * cells / pixels
        assert set((border - found[on_border]).tolist()) <= {0, 1}


@pytest.mark.parametrize(
    ("pixels", "cells"), [(61, 8), (480, 34), (640, 46), (768, 55), (1024, 74), (600, 43)]
)
def test_centers_on_borders_go_where_pytorch_puts_them_at_usual_sizes(pixels, cells):
    np.testing.assert_array_equal(cell_of_pixels(pixels, cells), of_pytorch(pixels, cells))


def test_whole_patches_hold_their_own_pixels():
    np.testing.assert_array_equal(cell_of_pixels(490, 35), np.arange(490) // 14)
    np.testing.assert_array_equal(cell_of_pixels(37, 37), np.arange(37))
