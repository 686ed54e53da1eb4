import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.metrics import log_likelihood


def test_likelihood_per_fixation_matches_pysaliency(golden):
    bits = [log_likelihood(image.log_density, image.x, image.y) for image in golden.images()]
    np.testing.assert_allclose(
        np.concatenate(bits), golden.values["IG_uniform_bits"], rtol=1e-12, atol=1e-13
    )


def test_uniform_density_has_zero_bits_at_every_size():
    for size in [(4, 8), (600, 800)]:
        uniform = np.full(size, -np.log(size[0] * size[1]))
        assert log_likelihood(uniform, np.array([1]), np.array([2])).item() == pytest.approx(0)


def test_all_mass_on_a_quarter_of_the_pixels_is_worth_two_bits():
    log_density = np.full((2, 4), -np.inf)
    log_density[1, 2:] = np.log(0.5)
    assert log_likelihood(log_density, np.array([3]), np.array([1])).item() == pytest.approx(2)


def test_single_precision_densities_are_scored_in_double():
    log_density = np.full((4, 4), -np.log(16), dtype=np.float32)
    assert log_likelihood(log_density, np.array([0]), np.array([0])).dtype == np.float64


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (4, 0), (0, -1), (0, 3)])
def test_fixation_outside_the_map_is_an_error_not_a_wrapped_index(x, y):
    with pytest.raises(ShapeError, match=rf"3x4 map, the first at column {x}, row {y}"):
        log_likelihood(np.zeros((3, 4)), np.array([0, x]), np.array([0, y]))
