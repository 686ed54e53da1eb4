from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from foregaze.errors import DataError
from foregaze.evaluation.saccade_prior import (
    FirstFixations,
    SaccadePrior,
    fit_first_fixations,
    fit_saccade_prior,
    length_density,
)
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli

SIZE = (60, 80)


def log_grid(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """A log density over cells."""
    scores = torch.from_numpy(np.random.default_rng(seed).normal(size=(height, width)))
    return scores - scores.logsumexp((0, 1))


def dataset_of(paths: np.ndarray, size: tuple[int, int]) -> EyeTrackingDataset:
    """Two images; scanpaths (n, L, 2) are dealt out to them."""
    n, length = paths.shape[:2]
    return EyeTrackingDataset(
        name="toy",
        stimuli=Stimuli(
            (Path("a.png"), Path("b.png")),
            (size, size),
            lambda path: np.zeros((*size, 3), np.uint8),
        ),
        fixations=Fixations(
            image=np.repeat(np.arange(n) % 2, length),
            observer=np.repeat(np.arange(n), length),
            order=np.tile(np.arange(length), n),
            x=paths[..., 0].ravel(),
            y=paths[..., 1].ravel(),
            duration_ms=np.full(n * length, 200.0),
        ),
        starts_at_center=True,
        px_per_dva=None,
    )


def test_the_density_is_the_product_that_the_module_says():
    centerbias = log_grid(6, 8)
    q = length_density(np.array([5.0, 12.0, 30.0]), 100, sigma_px=4.0)
    prior = SaccadePrior(FirstFixations(SIZE, log_grid(6, 8)), centerbias, q)
    x, y = np.array([33.0, 5.0]), np.array([21.0, 57.0])
    expected = np.empty((2, 6, 8))
    for i in range(2):
        for row in range(6):
            for column in range(8):
                r = float(np.hypot(10 * column + 5 - x[i], 10 * row + 5 - y[i]))
                lower, share = int(r), r - int(r)
                factors = [
                    q[k] / (2 * np.pi * max(k, 10 / np.sqrt(np.pi) / 2)) for k in (lower, lower + 1)
                ]  # cells are squares of 10 px
                factor = factors[0] ** (1 - share) * factors[1] ** share
                expected[i, row, column] = np.exp(centerbias[row, column].item()) * factor
        expected[i] /= expected[i].sum()
    np.testing.assert_allclose(prior.log_density(x, y).exp().numpy(), expected, rtol=1e-10)


def test_length_densities_have_mass_one():
    lengths = np.abs(np.random.default_rng(0).normal(size=200)) * 40
    q = length_density(lengths, 400, sigma_px=8.0)
    mass = q.sum() - (q[0] + q[-1]) / 2  # trapezoids
    assert mass == pytest.approx(1, abs=1e-4)
    assert q.min() > 0


def test_lengths_of_samples_follow_the_prior_where_the_center_bias_is_flat():
    size = (400, 400)
    flat = torch.full((100, 100), -np.log(100 * 100), dtype=torch.float64)
    start = torch.full((100, 100), -200.0, dtype=torch.float64)
    start[50, 50] = 0.0
    lengths = np.random.default_rng(3).gamma(4.0, 15.0, size=3000)
    lengths = lengths[lengths < 170]  # so that edges are out of reach
    q = length_density(lengths, 566, sigma_px=6.0)
    prior = SaccadePrior(FirstFixations(size, start), flat, q)
    paths = prior.sample(2000, 2, np.random.default_rng(4))
    steps = paths[:, 1] - paths[:, 0]
    drawn = np.hypot(*steps.T)
    quantiles = np.linspace(0.1, 0.9, 9)
    found, expected = np.quantile(drawn, quantiles), np.quantile(lengths, quantiles)
    np.testing.assert_allclose(found, expected, atol=5)  # kernels and noise: about 2 px each
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    assert np.abs(np.exp(1j * angles).mean()) < 0.07  # 3 standard errors of no direction


def test_samples_go_where_the_center_bias_is():
    right = torch.full((12, 16), -8.0, dtype=torch.float64)
    right[:, 8:] = 0.0
    q = np.full(101, 0.01)
    prior = SaccadePrior(FirstFixations(SIZE, right), right, q)
    paths = prior.sample(200, 3, np.random.default_rng(0))
    assert paths.shape == (200, 3, 2)
    assert (paths >= 0).all()
    assert (paths < [80, 60]).all()
    assert (paths[..., 0] > 36).mean() > 0.97


def test_a_fit_finds_first_fixations_and_lengths():
    rng = np.random.default_rng(5)
    first = np.array([120.0, 80.0]) + rng.normal(size=(60, 2)) * 4
    turns = rng.uniform(0, 2 * np.pi, size=60)
    second = first + 50 * np.column_stack([np.cos(turns), np.sin(turns)])
    dataset = dataset_of(np.stack([first, second], axis=1), (160, 240))
    prior = fit_saccade_prior(dataset, cell_px=4)
    assert prior.size == (160, 240)
    assert prior.centerbias.shape == (40, 60)
    assert prior.length_density.argmax() == 50
    assert prior.centerbias.exp().sum().item() == pytest.approx(1)
    assert prior.first.log_density.exp().sum().item() == pytest.approx(1)
    peak = np.unravel_index(int(prior.first.log_density.argmax()), (40, 60))
    np.testing.assert_allclose(peak, (20, 30), atol=1)
    drawn = prior.first.sample(500, np.random.default_rng(6))
    np.testing.assert_allclose(drawn.mean(0), [120, 80], atol=3)
    spread = np.hypot(15, 4)  # of the kernels and of the fixations
    np.testing.assert_allclose(drawn.std(0), [spread, spread], rtol=0.1)


def test_images_of_different_sizes_are_refused():
    dataset = dataset_of(np.full((2, 3, 2), 20.0), (60, 80))
    mixed = replace(dataset, stimuli=replace(dataset.stimuli, sizes=((60, 80), (60, 81))))
    with pytest.raises(DataError, match="images have 2 sizes"):
        fit_saccade_prior(mixed)


def test_data_without_first_fixations_or_saccades_are_refused():
    dataset = dataset_of(np.full((2, 1, 2), 20.0), (60, 80))
    with pytest.raises(DataError, match="has no saccades"):
        fit_saccade_prior(dataset)
    later = dataset_of(np.full((2, 2, 2), 20.0), (60, 80))
    later = replace(later, fixations=later.fixations.where(later.fixations.order > 0))
    with pytest.raises(DataError, match="has no first fixations"):
        fit_first_fixations(later)
