import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from foregaze.ops.mixture import mixture_weights


def likelihood(densities: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> float:
    """Mean log-likelihood in nats."""
    return float(counts @ np.log(densities @ weights) / counts.sum())


def best_by_scipy(densities: np.ndarray, counts: np.ndarray) -> float:
    """The largest likelihood over logits, from equal weights and from each component."""

    def loss(logits: np.ndarray) -> float:
        weights = np.exp(logits - logits.max())
        return -likelihood(densities, counts, weights / weights.sum())

    starts = np.concatenate([np.zeros((1, densities.shape[1])), 3 * np.eye(densities.shape[1])])
    return max(-minimize(loss, start, tol=1e-12).fun for start in starts)


def test_weights_of_densities_without_overlap_are_the_shares_of_the_counts():
    densities = np.array([[2.0, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 5.0], [0.0, 7.0, 0.0]])
    weights = mixture_weights(densities, np.array([1.0, 2.0, 5.0, 2.0]))
    np.testing.assert_allclose(weights, [0.1, 0.4, 0.5], rtol=1e-12)


def test_weights_of_a_mixture_are_found_from_its_own_density():
    """With the true density as counts, the true weights are the best ones."""
    at = np.linspace(0, 1, 400)
    components = np.stack([np.ones_like(at), 2 * at, 6 * at * (1 - at)], axis=1)
    components /= components.sum(0)
    true = np.array([0.2, 0.5, 0.3])
    weights = mixture_weights(components, components @ true)
    np.testing.assert_allclose(weights, true, atol=0.02)
    gap = likelihood(components, components @ true, true) - likelihood(
        components, components @ true, weights
    )
    assert 0 <= gap < 2e-5


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_likelihood_is_the_best_that_scipy_finds(seed, components):
    rng = np.random.default_rng(seed)
    densities = rng.gamma(0.7, size=(60, components)) + 1e-6
    counts = rng.integers(1, 5, 60).astype(np.float64)
    weights = mixture_weights(densities, counts)
    best = best_by_scipy(densities, counts)
    assert likelihood(densities, counts, weights) == pytest.approx(best, abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_weights_are_a_distribution(seed):
    rng = np.random.default_rng(seed)
    weights = mixture_weights(rng.random((20, 3)) + 1e-9, rng.random(20) + 0.1)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, rel=1e-12)


def test_scale_of_the_counts_does_not_matter():
    rng = np.random.default_rng(0)
    densities, counts = rng.random((20, 3)), rng.random(20)
    np.testing.assert_allclose(
        mixture_weights(densities, 1000 * counts), mixture_weights(densities, counts), rtol=1e-9
    )


def test_component_that_is_nowhere_likely_gets_no_weight():
    densities = np.stack([np.ones(10), np.zeros(10)], axis=1)
    assert mixture_weights(densities, np.ones(10)).tolist() == [1, 0]
