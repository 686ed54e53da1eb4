import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest

from foregaze.models.fixation_duration import (
    DurationDensity,
    FixationDuration,
    FixationDurationConfig,
)
from foregaze.ops.logdensity import normalize
from tests.inference.toy_scanpath import draw_parameters
from tests.models import plain_scanpath
from tests.models.test_next_fixation import (
    CHANNELS,
    GRID,
    STRIDE,
    history_of,
    past_of,
    scene_inputs,
)

NAN = float("nan")


def network(seed=0, **settings):
    config = FixationDurationConfig(**({"hidden": 6, "features": 3} | settings))
    module = FixationDuration(config, CHANNELS).double().eval()
    draw_parameters(module, seed)
    return module


def durations_of(count, seed=5):
    return np.random.default_rng(seed).uniform(80, 600, count)


def before_of(*durations, room=4):
    room = max(room, *map(len, durations))
    padded = np.full((len(durations), room), np.nan)
    for row, known in zip(padded, durations, strict=True):
        row[: len(known)] = known
    return torch.from_numpy(padded)


@torch.no_grad()
def densities(module, places, before, log_density=None):
    """Of fixations, each the first of its row of places."""
    spatial, _, features = scene_inputs()
    return module(features, spatial if log_density is None else log_density, STRIDE, places, before)


def mixture(module, count=3, before=None):
    """Of one fixation with some before it."""
    before = durations_of(count) if before is None else before
    places = past_of(history_of(count + 1), room=5)
    return densities(module, places, before_of(before))


@pytest.mark.parametrize("count", [0, 1, 2, 4, 7])
@pytest.mark.parametrize("components", [1, 3])
def test_against_the_plain_mixture(count, components):
    module = network(components=components)
    parameters = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    spatial, _, features = (maps.numpy() for maps in scene_inputs())
    fixation, *history = history_of(count + 1).tolist()
    for known in {0, 1, count}:
        before = durations_of(count)
        before[known:] = NAN
        expected = plain_scanpath.duration_mixture(
            parameters, module.config, features, spatial, STRIDE, fixation, history, before
        )
        found = mixture(module, count, before)
        for values, wanted in zip(
            (found.log_weight.exp(), found.mean, found.deviation), expected, strict=True
        ):
            np.testing.assert_allclose(values[0].numpy(), wanted, rtol=0, atol=1e-9)


def test_a_density_is_that_of_the_logarithm_per_millisecond():
    density = DurationDensity(*(torch.tensor([[v]], dtype=torch.float64) for v in (0, 5.2, 0.5)))
    z = (np.log(250.0) - 5.2) / 0.5
    expected = np.exp(-(z**2) / 2) / (250 * 0.5 * np.sqrt(2 * np.pi))
    found = density.log_prob(torch.tensor([250.0], dtype=torch.float64)).exp().item()
    assert found == pytest.approx(expected, rel=1e-12)


def per_ms(density, duration_ms):
    return density.log_prob(torch.tensor([duration_ms], dtype=torch.float64)).exp().item()


def surviving(density, duration_ms):
    return density.log_survival(torch.tensor([duration_ms], dtype=torch.float64)).exp().item()


def test_densities_sum_to_one_over_all_durations_and_survival_to_what_is_left():
    density = mixture(network())

    def by_logarithm(logarithm):
        return per_ms(density, np.exp(logarithm)) * np.exp(logarithm)

    mean, spread = density.mean[0].numpy(), density.deviation[0].numpy()
    lowest, highest = (mean - 12 * spread).min(), (mean + 12 * spread).max()
    points = sorted(mean)
    whole, _ = quad(by_logarithm, lowest, highest, points=points, limit=500, epsabs=1e-11)
    assert whole == pytest.approx(1, abs=1e-8)
    for duration_ms in (40.0, 180.0, 900.0):
        left, _ = quad(
            by_logarithm, np.log(duration_ms), highest, points=points, limit=500, epsabs=1e-11
        )
        assert surviving(density, duration_ms) == pytest.approx(left, abs=1e-8)


def test_survival_starts_at_one_and_falls():
    density = mixture(network())
    found = [surviving(density, duration_ms) for duration_ms in (1e-6, 50.0, 200.0, 800.0, 1e7)]
    assert found[0] == pytest.approx(1)
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1e-3


def drawn_and_distribution(seed=0):
    density = mixture(network(seed))
    n = 5000
    repeated = DurationDensity(*(values.expand(n, -1) for values in density))
    drawn = repeated.sample(np.random.default_rng(7))

    def distribution(duration_ms):
        durations = torch.from_numpy(np.atleast_1d(duration_ms))
        many = DurationDensity(*(values.expand(len(durations), -1) for values in density))
        return 1 - many.log_survival(durations).exp().numpy()

    return drawn, distribution


def test_samples_follow_the_density():
    drawn, distribution = drawn_and_distribution()
    assert kstest(drawn, distribution).pvalue > 0.01


def test_that_comparison_notices_another_density():
    drawn, _ = drawn_and_distribution()
    _, other = drawn_and_distribution(seed=1)
    assert kstest(drawn, other).pvalue < 1e-6


def test_each_fixation_is_drawn_from_its_own_mixture():
    density = DurationDensity(
        torch.log_softmax(torch.tensor([[0.0, -1e3], [-1e3, 0.0]]), 1),
        torch.tensor([[3.0, 9.0], [3.0, 9.0]]),
        torch.full((2, 2), 1e-6),
    )
    drawn = density.sample(np.random.default_rng(0))
    np.testing.assert_allclose(np.log(drawn), [3.0, 9.0], atol=1e-4)


def test_durations_depend_on_the_pace_before():
    module = network()
    slow, fast = (mixture(module, before=np.full(3, d)) for d in (600.0, 120.0))
    assert (slow.mean - fast.mean).abs().max() > 0.05


def test_durations_before_the_last_two_count_in_their_mean_alone():
    module = network()
    found = mixture(module, before=np.array([200.0, 300.0, 100.0, 400.0]))
    swapped = mixture(module, before=np.array([200.0, 300.0, 400.0, 100.0]))
    earlier = mixture(module, before=np.array([200.0, 100.0, 300.0, 400.0]))
    torch.testing.assert_close(found.mean, swapped.mean, rtol=0, atol=1e-12)
    assert (found.mean - earlier.mean).abs().max() > 1e-3


def test_what_is_not_known_is_a_shorter_history():
    module = network()
    history, durations = history_of(3), durations_of(2)
    expected = densities(module, past_of(history, room=3), before_of(durations, room=2))
    for room in (4, 9):
        found = densities(module, past_of(history, room=room + 1), before_of(durations, room=room))
        for values, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(values, wanted, rtol=0, atol=1e-13)


def test_a_duration_of_nothing_is_not_known():
    module = network()
    found = mixture(module, before=np.array([250.0, 0.0, 300.0]))
    expected = mixture(module, before=np.array([250.0, NAN, 300.0]))
    for values, wanted in zip(found, expected, strict=True):
        assert values.isfinite().all()
        torch.testing.assert_close(values, wanted, rtol=0, atol=0)


def test_where_the_last_fixation_was_matters():
    module = network()
    here = history_of(2)
    there = np.array([here[0], here[1] / 3])
    near, far = (densities(module, past_of(h), before_of([])) for h in (here, there))
    assert (near.mean - far.mean).abs().max() > 1e-3


def test_a_density_tells_the_same_on_every_grid():
    module = network()
    places, before = past_of(history_of(3)), before_of(durations_of(2))
    found = []
    for finer in (1, 2, 4, 8):
        uniform = normalize(torch.zeros(GRID[0] * finer, GRID[1] * finer, dtype=torch.float64))
        found.append(densities(module, places, before, uniform))
    for other in found[1:]:
        torch.testing.assert_close(other.mean, found[0].mean, rtol=0, atol=1e-12)
    spatial = densities(module, places, before)
    assert (spatial.mean - found[0].mean).abs().max() > 1e-3


def test_an_untrained_network_gives_usual_durations_whatever_came_before():
    torch.manual_seed(0)
    module = FixationDuration(FixationDurationConfig(), CHANNELS).double().eval()
    found = [mixture(module, count) for count in (0, 3)]
    for values, same in zip(*found, strict=True):
        torch.testing.assert_close(values, same, rtol=0, atol=0)
    assert found[0].mean[0].diff().min() > 0.2  # apart, or training would keep them alike
    median = np.median(found[0].sample(np.random.default_rng(0)).item())
    assert 30 < median < 1000
