import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foregaze.errors import ShapeError
from foregaze.ops.mass import mass_above, mass_levels

TOY = np.log(np.array([[0.1, 0.4], [0.2, 0.3]]))  # taken in order: 0.4, 0.3, 0.2, 0.1


@pytest.mark.parametrize(
    ("fraction", "last_taken"),
    [(0.01, 0.4), (0.4, 0.4), (0.41, 0.3), (0.7, 0.3), (0.9, 0.2), (0.91, 0.1), (1.0, 0.1)],
)
def test_level_is_the_density_of_the_pixel_that_reaches_the_fraction(fraction, last_taken):
    (level,) = mass_levels(TOY, [fraction])
    assert level == np.log(last_taken)


def test_levels_come_in_the_order_of_the_fractions():
    assert np.exp(mass_levels(TOY, [0.9, 0.25, 0.5])) == pytest.approx([0.2, 0.4, 0.3])


def test_region_reaches_its_fraction_and_would_not_without_its_last_pixel():
    log_density = np.random.default_rng(0).normal(size=(30, 40))
    log_density -= np.log(np.exp(log_density).sum())
    fractions = [0.25, 0.5, 0.75]
    for fraction, level in zip(fractions, mass_levels(log_density, fractions), strict=True):
        assert np.exp(log_density[log_density >= level]).sum() >= fraction
        assert np.exp(log_density[log_density > level]).sum() < fraction


def test_pixels_that_tie_share_one_level():
    assert mass_levels(np.zeros((3, 3), np.float32), [0.1, 0.9]).tolist() == [0.0, 0.0]


def test_adding_a_constant_moves_the_levels_by_it():
    shifted = mass_levels(TOY + 1000.0, [0.3, 0.6])
    np.testing.assert_allclose(shifted - 1000.0, mass_levels(TOY, [0.3, 0.6]), atol=1e-12)


def test_impossible_pixels_hold_no_mass():
    log_density = np.array([[-np.inf, np.log(0.5)], [np.log(0.5), -np.inf]])
    assert mass_levels(log_density, [1.0]) == pytest.approx([np.log(0.5)])


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, np.nan])
def test_fractions_out_of_range_are_refused(fraction):
    with pytest.raises(ShapeError, match="expected values above 0, at most 1"):
        mass_levels(TOY, [fraction])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_a_number_and_infinity_are_refused(value):
    log_density = TOY.copy()
    log_density[0, 0] = value
    with pytest.raises(ShapeError, match="expected finite values in nats"):
        mass_levels(log_density, [0.5])


def test_a_density_without_mass_is_refused():
    with pytest.raises(ShapeError, match="no mass"):
        mass_levels(np.full((2, 2), -np.inf), [0.5])


def brute_force_above(log_density: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[float]:
    mass = np.exp(log_density) / np.exp(log_density).sum()
    above = []
    for value in log_density[y, x]:
        above.append(mass[log_density > value].sum() + mass[log_density == value].sum() / 2)
    return above


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 5, 1000]))
def test_mass_above_a_pixel_is_what_sorting_gives(seed, levels):
    rng = np.random.default_rng(seed)
    log_density = rng.integers(0, levels, (7, 9)) / 100 - 5.0  # ties, and no near misses
    x, y = rng.integers(0, 9, 12), rng.integers(0, 7, 12)
    expected = brute_force_above(log_density, x, y)
    np.testing.assert_allclose(mass_above(log_density, x, y), expected, rtol=1e-9, atol=1e-12)


def test_mass_above_differs_from_sorting_by_the_mass_of_one_bucket_at_most():
    rng = np.random.default_rng(0)
    log_density = rng.normal(size=(300, 400)) * 3
    x, y = rng.integers(0, 400, 200), rng.integers(0, 300, 200)
    expected = brute_force_above(log_density, x, y)
    np.testing.assert_allclose(mass_above(log_density, x, y), expected, atol=1e-3)
    single = mass_above(log_density.astype(np.float32), x, y)
    np.testing.assert_allclose(single, expected, atol=1e-3)


def test_mass_above_is_one_half_everywhere_on_a_uniform_density():
    assert (
        mass_above(np.full((3, 4), -2.5), np.array([0, 3]), np.array([2, 1])).tolist() == [0.5] * 2
    )


def test_mass_above_is_uniform_where_fixations_follow_the_density():
    rng = np.random.default_rng(0)
    log_density = rng.normal(size=(60, 80))
    density = np.exp(log_density).ravel()
    y, x = np.unravel_index(rng.choice(4800, 20_000, p=density / density.sum()), (60, 80))
    tenths = np.histogram(mass_above(log_density, x, y), 10, (0, 1))[0] / 20_000
    np.testing.assert_allclose(tenths, 0.1, atol=4 * np.sqrt(0.09 / 20_000))


def test_mass_above_no_fixations_is_empty():
    nothing = np.empty(0, np.int64)
    assert mass_above(np.zeros((3, 4)), nothing, nothing).shape == (0,)
