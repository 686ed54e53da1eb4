import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foregaze.errors import ShapeError
from foregaze.metrics import (
    ConstantMapError,
    information_gain,
    information_gain_explained,
    information_gain_mit,
    log_likelihood,
)
from foregaze.ops.benchmark_kde import grid_density
from tests.metrics.pysaliency_sets import DENSITIES, KINDS, VARIED, golden_set, per_fixation


def random_log_density(seed: int) -> np.ndarray:
    density = np.random.default_rng(seed).random((5, 7)) + 1e-3
    return np.log(density / density.sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DENSITIES)
def test_gain_over_a_baseline_is_pysaliencys(name, kind):
    golden = golden_set(name)
    baselines = [grid_density(*golden.relative, size, 0.1, 1e-3) for size in golden.sizes]
    gain = per_fixation(information_gain, golden, kind, golden.log_densities, baselines)
    np.testing.assert_allclose(gain, golden.out("IG"), rtol=1e-9, atol=1e-12)
    of_images = [gain[golden.image == i].mean() for i in range(len(golden.maps))]
    assert gain.mean() == pytest.approx(golden.out("IG fixation average").item(), rel=1e-9)
    assert np.mean(of_images) == pytest.approx(golden.out("IG image average").item(), rel=1e-9)


def test_gain_over_a_baseline_is_that_of_pysaliencys_development_version(golden):
    sizes = np.array(golden.sizes)[golden.image]
    x, y = golden.x / sizes[:, 1], golden.y / sizes[:, 0]
    gains = [
        information_gain(image.log_density, grid_density(x, y, size, 0.1, 1e-3), image.x, image.y)
        for image, size in zip(golden.images(), golden.sizes, strict=True)
    ]
    per_fixation = np.concatenate(gains).mean()
    per_image = np.mean([gain.mean() for gain in gains])
    assert per_fixation == pytest.approx(golden.values["IG_baseline_fixation"], rel=1e-12)
    assert per_image == pytest.approx(golden.values["IG_baseline_image"], rel=1e-12)


def test_twice_the_baseline_density_is_worth_one_bit():
    uniform = np.full((4, 8), 1 / 32)
    density = uniform * 30 / 31
    density[3, 7] = 2 / 32  # row 3, column 7; still sums to one
    gain = information_gain(np.log(density), np.log(uniform), x=np.array([7]), y=np.array([3]))
    assert gain.item() == pytest.approx(1.0)


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 4))
def test_gain_of_a_model_over_itself_is_zero(seed, x, y):
    log_density = random_log_density(seed)
    assert information_gain(log_density, log_density, np.array([x]), np.array([y])).item() == 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_gain_is_the_difference_of_likelihoods(seed, baseline_seed):
    model, baseline = random_log_density(seed), random_log_density(baseline_seed)
    x, y = np.array([0, 6, 3, 3]), np.array([4, 0, 2, 2])
    np.testing.assert_allclose(
        information_gain(model, baseline, x, y),
        log_likelihood(model, x, y) - log_likelihood(baseline, x, y),
        atol=1e-12,
    )


def test_mean_over_sampled_fixations_is_the_divergence_from_the_baseline():
    model, baseline = random_log_density(0), random_log_density(1)
    rng = np.random.default_rng(0)
    y, x = np.unravel_index(rng.choice(35, 40_000, p=np.exp(model).ravel()), model.shape)
    gain = information_gain(model, baseline, x, y)
    divergence_bits = (np.exp(model) * (model - baseline)).sum() / np.log(2)
    assert gain.mean() == pytest.approx(divergence_bits, abs=4 * gain.std() / 200)


def test_fixation_outside_the_map_is_an_error():
    with pytest.raises(ShapeError, match="outside the 2x2 map"):
        information_gain(np.zeros((2, 2)), np.zeros((2, 2)), np.array([2]), np.array([0]))


@pytest.mark.usefixtures("no_shape_checks")
def test_baseline_of_another_size_is_an_error():
    one = np.array([0]), np.array([0])
    with pytest.raises(ShapeError, match=r"information gain: shapes are \(2, 2\) and \(2, 3\)"):
        information_gain(np.zeros((2, 2)), np.zeros((2, 3)), *one)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_explained_share_is_the_ratio_of_the_means(kind):
    gain, gold = np.array([0.5, 1.0, 0.0]), np.array([2.0, 0.5, 0.5])
    if kind == "torch":
        gain, gold = torch.from_numpy(gain), torch.from_numpy(gold)
    assert float(information_gain_explained(gain, gold)) == pytest.approx(0.5)
    assert float(information_gain_explained(gold, gold)) == 1
    assert float(information_gain_explained(0 * gold, gold)) == 0


def test_share_of_no_gain_is_an_error():
    with pytest.raises(ShapeError, match=r"the gold standard gains -0.1 bits"):
        information_gain_explained(np.array([0.5, 1.0]), np.array([0.1, -0.3]))


def info_gain_of_the_matlab_code(
    saliency_map: np.ndarray, baseline_map: np.ndarray, x: np.ndarray, y: np.ndarray
) -> float:
    fixation_map = np.zeros(saliency_map.shape, dtype=bool)
    fixation_map[y, x] = True
    eps = 2.2204e-16
    bits = []
    for values in (saliency_map, baseline_map):
        scaled = (values - values.min()) / (values.max() - values.min())
        bits.append(np.log2(eps + (scaled / scaled.sum())[fixation_map]))
    return float(np.mean(bits[0] - bits[1]))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", VARIED)
def test_mit_value_is_that_of_the_matlab_definition(name, kind):
    golden = golden_set(name)
    for i, saliency_map in enumerate(golden.maps):
        x, y = golden.column[golden.image == i], golden.row[golden.image == i]
        baseline = np.exp(grid_density(*golden.relative, saliency_map.shape, 0.1, 1e-3))
        expected = info_gain_of_the_matlab_code(saliency_map, baseline, x, y)
        arguments = (saliency_map, baseline, x, y)
        if kind == "torch":
            arguments = tuple(map(torch.from_numpy, arguments))
        assert information_gain_mit(*arguments).item() == pytest.approx(expected, rel=1e-9)


def test_mit_value_of_a_map_over_itself_is_zero():
    saliency_map = np.exp(random_log_density(0))
    x, y = np.array([0, 6]), np.array([4, 0])
    assert information_gain_mit(saliency_map, 3 * saliency_map, x, y) == pytest.approx(0, abs=1e-12)


def test_mit_value_of_a_constant_map_does_not_exist():
    saliency_map, constant = np.exp(random_log_density(0)), np.full((5, 7), 0.1)
    one = np.array([0]), np.array([0])
    for maps in ((saliency_map, constant), (constant, saliency_map)):
        with pytest.raises(ConstantMapError, match="InfoGain is not defined for a constant map"):
            information_gain_mit(*maps, *one)
