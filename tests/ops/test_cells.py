import numpy as np
import pytest
import torch
import torch.nn.functional as F

from foregaze.ops.cells import neighbors_of_pixels


@pytest.mark.parametrize(
    ("cells", "pixels"), [(3, 7), (7, 3), (5, 5), (1, 6), (6, 1), (144, 600), (8, 61)]
)
def test_neighbors_and_their_shares_are_those_of_linear_interpolation(cells, pixels):
    values = np.random.default_rng(0).normal(size=cells)
    expected = F.interpolate(torch.tensor(values)[None, None], size=pixels, mode="linear")[0, 0]
    before, after, share = neighbors_of_pixels(np.arange(pixels), cells, pixels)
    found = values[before] * (1 - share) + values[after] * share
    np.testing.assert_allclose(found, expected, atol=1e-12)
