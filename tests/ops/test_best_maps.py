import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.special import logsumexp
from scipy.stats import rankdata

from foregaze.metrics import auc, nss, sim
from foregaze.ops.best_maps import (
    _quantile_of_sum_one,
    auc_map,
    blurred_map,
    density_map,
    shuffled_auc_map,
    sim_map,
)
from foregaze.ops.empirical import empirical_map
from tests.metrics.pysaliency_sets import DENSITIES, arrays, golden_set

SIGMA_PX, FIXATIONS = 2.5, 20
"""As the golden file's SIM maps were made."""


def random_log_density(seed: int) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(6, 8))
    return scores - logsumexp(scores)


def fresh_empirical_maps(
    log_density: np.ndarray, sigma_px: float, fixations: int, count: int, seed: int
) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    density = np.exp(log_density).ravel()
    drawn = rng.choice(density.size, (count, fixations), p=density / density.sum())
    maps = []
    for each in drawn:
        row, column = np.unravel_index(each, log_density.shape)
        maps.append(empirical_map(column, row, log_density.shape, sigma_px))
    return maps


def similarities(saliency_map: np.ndarray, empirical: list[np.ndarray]) -> np.ndarray:
    return np.array([sim(saliency_map, each) for each in empirical])


def test_density_sums_to_one_in_double():
    log_density = random_log_density(0).astype(np.float32)
    density = density_map(log_density)
    assert density.dtype == np.float64
    assert density.sum() == pytest.approx(1, abs=1e-6)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_density_has_the_largest_expected_nss_of_all_maps(seed):
    density = density_map(random_log_density(seed))
    y, x = np.indices(density.shape).reshape(2, -1)
    other = density * np.random.default_rng(seed).uniform(0.5, 1.5, density.shape)
    expected = [density.ravel() @ nss(values, x, y) for values in (density, other)]
    assert expected[0] >= expected[1]


def test_equalized_map_is_pysaliencys_half_a_rank_lower():
    golden = golden_set("random")
    values = golden.maps[0]
    assert len(np.unique(values)) == values.size
    expected = golden.out("equalized 0") + 0.5 / values.size
    np.testing.assert_allclose(auc_map(np.log(values)), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["tied", "osie_8bit"])
def test_equalized_map_gives_ties_the_mean_of_pysaliencys_ranks(name):
    golden = golden_set(name)
    values, ranks = golden.maps[0], golden.out("equalized 0")
    equalized = auc_map(values)
    assert len(np.unique(equalized)) == len(np.unique(values))
    for level in np.unique(values):
        mean = ranks[values == level].mean() + 0.5 / values.size
        np.testing.assert_allclose(equalized[values == level], mean, rtol=1e-9)


def test_equalized_map_has_the_same_area():
    golden = golden_set("osie")
    log_density, here = golden.log_densities[0], golden.image == 0
    x, y = golden.column[here], golden.row[here]
    np.testing.assert_array_equal(auc(auc_map(log_density), x, y), auc(log_density, x, y))


def test_density_over_center_bias_is_a_difference_in_double():
    log_density, centerbias = random_log_density(0).astype(np.float32), random_log_density(1)
    ratio = shuffled_auc_map(log_density, centerbias)
    assert ratio.dtype == np.float64
    np.testing.assert_allclose(np.exp(ratio + centerbias), np.exp(log_density), rtol=1e-6)


@pytest.mark.parametrize("name", DENSITIES)
def test_blurred_density_is_pysaliencys(name):
    golden = golden_set(name)
    blurred = blurred_map(golden.log_densities[0], golden.sigma_px)
    np.testing.assert_allclose(blurred[::3, ::5], golden.out("blurred 0"), rtol=1e-9)


def test_sim_map_scores_at_least_what_pysaliency_reaches_with_the_benchmarks_settings():
    log_density = arrays()["sim/log_density"]
    ours = sim_map(log_density, SIGMA_PX, FIXATIONS, samples=2000)
    theirs = arrays()["sim/out/benchmark"].astype(np.float64)
    empirical = fresh_empirical_maps(log_density, SIGMA_PX, FIXATIONS, 3000, seed=5)
    gain = similarities(ours, empirical) - similarities(theirs, empirical)
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))


def test_sim_map_scores_what_pysaliency_reaches_with_its_best_learning_rate():
    log_density = arrays()["sim/log_density"]
    ours = sim_map(log_density, SIGMA_PX, FIXATIONS, samples=4000)
    theirs = arrays()["sim/out/fast"].astype(np.float64)
    empirical = fresh_empirical_maps(log_density, SIGMA_PX, FIXATIONS, 3000, seed=6)
    gain = similarities(ours, empirical) - similarities(theirs, empirical)
    assert gain.mean() > -3 * gain.std() / np.sqrt(len(gain))
    assert gain.std() / np.sqrt(len(gain)) < 1e-4


def test_sim_map_scores_more_than_the_blurred_density_and_than_its_neighbors():
    log_density = arrays()["sim/log_density"]
    ours = sim_map(log_density, SIGMA_PX, FIXATIONS)
    empirical = fresh_empirical_maps(log_density, SIGMA_PX, FIXATIONS, 1000, seed=7)
    expected = similarities(ours, empirical).mean()
    blurred = blurred_map(log_density, SIGMA_PX)
    assert expected > similarities(blurred, empirical).mean() + 0.005
    rng = np.random.default_rng(8)
    for _ in range(10):
        changed = ours * rng.lognormal(0, 0.3, ours.shape)
        assert similarities(changed, empirical).mean() < expected


@pytest.mark.parametrize("size", [(6, 8), (75, 100), (61, 83)])
@pytest.mark.parametrize("sigma_px", [1.0, 4.0, 12.0])
def test_sim_map_sums_to_one_at_the_images_size(size, sigma_px):
    scores = np.random.default_rng(0).normal(size=size)
    values = sim_map(scores - logsumexp(scores), sigma_px, 30, samples=50)
    assert values.shape == size
    assert values.min() >= 0
    assert values.sum() == pytest.approx(1, rel=1e-12)


def test_sim_map_on_a_coarse_grid_scores_as_on_the_pixels():
    """Sigma of 7.4 px is computed on cells of 2 px, of 2.4 px on the pixels themselves."""
    log_density = arrays()["sim/log_density"]
    enlarged = np.kron(log_density, np.ones((3, 3))) - np.log(9)
    fine = sim_map(log_density, 2.4, FIXATIONS, samples=1000)
    coarse = sim_map(enlarged, 7.2, FIXATIONS, samples=1000)
    empirical = fresh_empirical_maps(enlarged, 7.2, FIXATIONS, 300, seed=9)
    gain = similarities(coarse, empirical) - similarities(np.kron(fine, np.ones((3, 3))), empirical)
    assert gain.mean() > -0.002


def test_sim_map_of_the_same_seed_is_the_same():
    log_density = random_log_density(0)
    first, second = (sim_map(log_density, 1.5, 10, samples=40, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (sim_map(log_density, 1.5, 10, samples=40, seed=4) != first).any()


def best_expected_sim_by_linear_programming(empirical: np.ndarray) -> float:
    """Largest mean of sum min(q, Q) over the columns Q, over all q that sum to one."""
    pixels, samples = empirical.shape
    # variables: q (pixels), then t (pixels x samples) with t <= q and t <= Q; maximize mean sum t
    objective = np.concatenate([np.zeros(pixels), np.full(pixels * samples, -1 / samples)])
    below_q = np.concatenate(
        [np.repeat(-np.eye(pixels), samples, axis=0), np.eye(pixels * samples)], axis=1
    )
    total = np.concatenate([np.ones(pixels), np.zeros(pixels * samples)])[None]
    bounds = [(0, None)] * pixels + [(0, value) for value in empirical.ravel()]
    solved = linprog(
        objective,
        A_ub=below_q,
        b_ub=np.zeros(pixels * samples),
        A_eq=total,
        b_eq=[1],
        bounds=bounds,
    )
    assert solved.success
    return float(-solved.fun)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 5))
def test_common_quantile_is_the_optimum_that_linear_programming_finds(seed, concentration):
    empirical = np.random.default_rng(seed).dirichlet(np.full(12, concentration), size=20).T
    best = _quantile_of_sum_one(np.sort(empirical, axis=1))
    assert best.sum() == pytest.approx(1, rel=1e-12)
    reached = np.minimum(best[:, None], empirical).sum(0).mean()
    assert reached == pytest.approx(best_expected_sim_by_linear_programming(empirical), rel=1e-9)


def test_quantile_of_equal_samples_is_the_sample():
    sample = np.random.default_rng(0).dirichlet(np.ones(6))
    np.testing.assert_allclose(
        _quantile_of_sum_one(np.repeat(sample[:, None], 5, axis=1)), sample, rtol=1e-12
    )


def test_equalized_ranks_are_scipys_average_ranks():
    values = np.random.default_rng(0).integers(0, 4, (5, 6)).astype(np.float64)
    expected = (rankdata(values).reshape(5, 6) - 0.5) / 30
    np.testing.assert_array_equal(auc_map(values), expected)
