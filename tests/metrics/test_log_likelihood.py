import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.metrics import log_likelihood
from tests.metrics.pysaliency_sets import DENSITIES, KINDS, golden_set, per_fixation


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DENSITIES)
def test_values_per_fixation_are_pysaliencys_over_uniform(name, kind):
    golden = golden_set(name)
    bits = per_fixation(log_likelihood, golden, kind, golden.log_densities)
    np.testing.assert_allclose(bits, golden.out("IG over uniform"), rtol=1e-9, atol=1e-12)
    pixels = np.prod(golden.sizes, axis=1)[golden.image]
    nats = bits * np.log(2) - np.log(pixels)
    np.testing.assert_allclose(nats, golden.out("LL in nats"), rtol=1e-9)


def test_values_are_those_of_pysaliencys_development_version(golden):
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


def test_mean_over_sampled_fixations_is_the_negative_entropy_over_uniform():
    rng = np.random.default_rng(0)
    density = rng.random((8, 9)) ** 4
    density /= density.sum()
    y, x = np.unravel_index(rng.choice(72, 40_000, p=density.ravel()), density.shape)
    values = log_likelihood(np.log(density), x, y)
    entropy_bits = -(density * np.log2(density)).sum()
    expected = np.log2(72) - entropy_bits
    assert values.mean() == pytest.approx(expected, abs=4 * values.std() / 200)


def test_single_precision_densities_are_scored_in_double():
    log_density = np.full((4, 4), -np.log(16), dtype=np.float32)
    assert log_likelihood(log_density, np.array([0]), np.array([0])).dtype == np.float64


def test_fixation_on_an_impossible_pixel_is_an_error():
    log_density = np.array([[0.0, -np.inf]])
    with pytest.raises(ShapeError, match="1 of 2 fixated pixels have a value that is infinite"):
        log_likelihood(log_density, np.array([0, 1]), np.array([0, 0]))


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (4, 0), (0, -1), (0, 3)])
def test_fixation_outside_the_map_is_an_error_not_a_wrapped_index(x, y):
    with pytest.raises(ShapeError, match=rf"3x4 map, the first at column {x}, row {y}"):
        log_likelihood(np.zeros((3, 4)), np.array([0, x]), np.array([0, y]))
