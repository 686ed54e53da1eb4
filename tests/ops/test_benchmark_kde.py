import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from foregaze.errors import ShapeError
from foregaze.ops.benchmark_kde import grid_density, point_density
from tests.metrics.pysaliency_sets import DENSITIES, golden_set

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics.json"
BANDWIDTH, UNIFORM_TERM = 0.1, 1e-3
GOLD_BANDWIDTH, GOLD_WEIGHT = 0.12, 1e-2


@pytest.mark.parametrize("name", DENSITIES)
def test_grid_density_of_all_fixations_is_pysaliencys_baseline_model(name):
    golden = golden_set(name)
    for i, size in enumerate(golden.sizes):
        here = golden.image == i
        log_density = grid_density(*golden.relative, size, BANDWIDTH, UNIFORM_TERM)
        values = log_density[golden.row[here], golden.column[here]]
        np.testing.assert_allclose(values, golden.out("BaselineModel LL")[here], rtol=1e-9)


@pytest.mark.parametrize("name", DENSITIES)
def test_grid_density_of_other_images_is_pysaliencys_crossvalidated_model(name):
    golden = golden_set(name)
    for i, size in enumerate(golden.sizes):
        here = golden.image == i
        others = [positions[~here] for positions in golden.relative]
        log_density = grid_density(*others, size, BANDWIDTH, UNIFORM_TERM)
        values = log_density[golden.row[here], golden.column[here]]
        expected = golden.out("CrossvalidatedBaselineModel LL")[here]
        np.testing.assert_allclose(values, expected, rtol=1e-9)
        if i == 0:
            sampled = golden.out("CrossvalidatedBaselineModel 0")
            np.testing.assert_allclose(log_density[::3, ::5], sampled, rtol=1e-9)


@pytest.mark.parametrize("name", DENSITIES)
def test_point_density_of_other_observers_is_pysaliencys_kde_gold_model(name):
    golden = golden_set(name)
    expected = golden.out("KDEGoldModel LL")
    for i, size in enumerate(golden.sizes):
        for observer in np.unique(golden.observer):
            scored = (golden.image == i) & (golden.observer == observer)
            others = (golden.image == i) & (golden.observer != observer)
            x, y = (positions[others] for positions in golden.relative)
            log_density = point_density(x, y, size, GOLD_BANDWIDTH, GOLD_WEIGHT)
            values = log_density[golden.row[scored], golden.column[scored]]
            np.testing.assert_allclose(values, expected[scored], rtol=1e-9)


def test_densities_are_those_of_pysaliencys_development_version():
    golden = json.loads(GOLDEN.read_text())
    x, y, image, observer = (np.array(golden[key]) for key in ("x", "y", "n", "subject"))
    sizes = [(24, 32), (30, 30), (20, 40)]
    heights, widths = np.array(sizes)[image].T
    for i, size in enumerate(sizes):
        here = image == i
        at = y[here].astype(int), x[here].astype(int)
        every = grid_density(x / widths, y / heights, size, BANDWIDTH, UNIFORM_TERM)
        others = grid_density(
            (x / widths)[~here], (y / heights)[~here], size, BANDWIDTH, UNIFORM_TERM
        )
        np.testing.assert_allclose(every[at], np.array(golden["baseline_ll"])[here], rtol=1e-12)
        np.testing.assert_allclose(others[at], np.array(golden["cv_baseline_ll"])[here], rtol=1e-12)
        for left_out in range(3):
            scored, kept = here & (observer == left_out), here & (observer != left_out)
            gold = point_density(
                (x / widths)[kept], (y / heights)[kept], size, GOLD_BANDWIDTH, GOLD_WEIGHT
            )
            np.testing.assert_allclose(
                gold[y[scored].astype(int), x[scored].astype(int)],
                np.array(golden["gold_leave_one_subject_out_ll"])[scored],
                rtol=1e-12,
            )


@pytest.mark.parametrize("uniform_term", [0.0, 1e-3, 0.5])
def test_densities_sum_to_one(uniform_term):
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 30))
    for log_density in (
        grid_density(x, y, (20, 30), 0.2, uniform_term),
        point_density(x, y, (20, 30), 0.2, uniform_term),
    ):
        assert logsumexp(log_density) == pytest.approx(0, abs=1e-12)


def test_share_of_the_uniform_density_shrinks_with_the_number_of_fixations():
    size, term, n = (40, 50), 0.1, 20
    one_pixel = np.full(n, 0.51)
    log_density = grid_density(one_pixel, one_pixel, size, 0.02, term)
    share = term / (n * (1 - term) + term)
    assert np.exp(log_density[0, 0]) == pytest.approx(share / 2000, rel=1e-9)


def test_relative_positions_move_some_whole_pixels_down_by_one():
    assert int(29 / 800 * 800) == 28  # pysaliency's numbers contain this
    log_density = grid_density(np.array([29 / 800]), np.array([0.5]), (10, 800), 0.001, 1e-9)
    assert np.unravel_index(log_density.argmax(), log_density.shape) == (5, 28)


def test_density_without_fixations_is_uniform():
    nothing = np.empty(0)
    log_density = point_density(nothing, nothing, (4, 8), 0.1, 0.3)
    np.testing.assert_allclose(log_density, -np.log(32), rtol=1e-14)


def test_density_far_from_all_kernels_is_the_uniform_share():
    corner = np.array([0.01])
    log_density = point_density(corner, corner, (50, 50), 0.01, 0.2)
    assert np.exp(log_density[-1, -1]) == pytest.approx(0.2 / 2500, rel=1e-9)


@pytest.mark.parametrize(("x", "y"), [(1.0, 0.5), (-0.1, 0.5), (0.5, 1.2), (0.5, -0.2)])
def test_position_outside_is_an_error(x, y):
    with pytest.raises(ShapeError, match=r"relative positions must lie in \[0, 1\)"):
        grid_density(np.array([0.5, x]), np.array([0.5, y]), (20, 30), 0.1, 1e-3)
