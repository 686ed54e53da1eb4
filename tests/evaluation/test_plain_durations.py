from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from foregaze.errors import DataError
from foregaze.evaluation.plain_durations import PlainDurations, fit_durations
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli

SIZE = (30, 40)


def dataset_of(durations: list[np.ndarray]) -> EyeTrackingDataset:
    """One image; each observer's fixations last as long as given."""
    counts = [len(one) for one in durations]
    count = sum(counts)
    return EyeTrackingDataset(
        name="toy",
        stimuli=Stimuli((Path("a.png"),), (SIZE,), lambda path: np.zeros((*SIZE, 3), np.uint8)),
        fixations=Fixations(
            image=np.zeros(count, dtype=np.int64),
            observer=np.repeat(np.arange(len(counts)), counts),
            order=np.concatenate([np.arange(n) for n in counts]),
            x=np.full(count, 5.0),
            y=np.full(count, 5.0),
            duration_ms=np.concatenate(durations),
        ),
        starts_at_center=True,
        px_per_dva=None,
    )


def test_the_fit_recovers_a_log_normal_density():
    rng = np.random.default_rng(0)
    drawn = np.exp(rng.normal(5.2, 0.55, size=(4000, 10)))
    fitted = fit_durations(dataset_of(list(drawn)))
    assert fitted.mean_log_ms == pytest.approx(5.2, abs=0.01)  # standard error 0.003
    assert fitted.deviation_log_ms == pytest.approx(0.55, abs=0.01)
    totals = drawn.sum(1)
    np.testing.assert_allclose(fitted.viewing_ms, np.quantile(totals, np.linspace(0, 1, 101)))


def test_last_fixations_do_not_count():
    durations = [np.array([100.0, 200.0, 7.0]), np.array([400.0, 9.0])]
    fitted = fit_durations(dataset_of(durations))
    logarithm = np.log([100.0, 200.0, 400.0])
    assert fitted.mean_log_ms == pytest.approx(logarithm.mean())
    assert fitted.deviation_log_ms == pytest.approx(logarithm.std())


def test_log_densities_are_those_of_scipy():
    plain = PlainDurations(5.2, 0.55, np.array([1000.0]))
    at = np.array([20.0, 180.0, 900.0])
    expected = stats.lognorm(0.55, scale=np.exp(5.2)).logpdf(at)
    np.testing.assert_allclose(plain.log_prob(at), expected)


def test_drawn_viewings_last_as_long_as_viewers_looked():
    plain = PlainDurations(5.2, 0.55, np.array([500.0, 900.0]))
    paths = np.arange(400 * 30 * 2, dtype=np.float64).reshape(400, 30, 2)
    viewings = plain.viewings(paths, np.random.default_rng(1))
    totals = np.array([one.duration_ms.sum() for one in viewings])
    assert totals.max() <= 900 + 1e-9
    assert (totals >= 500 - 20 - 1e-9).all()  # a rest below 20 ms is left out
    assert totals.mean() == pytest.approx(700, abs=25)
    for path, one in zip(paths, viewings, strict=True):
        np.testing.assert_array_equal(np.column_stack([one.x, one.y]), path[: len(one)])


def test_a_path_that_is_too_short_for_the_time_stays_whole():
    plain = PlainDurations(5.2, 0.55, np.array([1e6, 1e6]))
    (viewing,) = plain.viewings(np.ones((1, 4, 2)), np.random.default_rng(0))
    assert len(viewing) == 4


def test_endless_durations_follow_the_density():
    plain = PlainDurations(5.2, 0.55, np.array([1.0]))
    endless = plain.endless(np.zeros((100, 200, 2)), np.random.default_rng(2))
    drawn = np.log(np.concatenate([one.duration_ms for one in endless]))
    assert drawn.mean() == pytest.approx(5.2, abs=0.015)
    assert drawn.std() == pytest.approx(0.55, abs=0.01)


def test_unknown_durations_are_refused():
    dataset = dataset_of([np.array([100.0, np.nan, 50.0])])
    with pytest.raises(DataError, match="duration is not known"):
        fit_durations(dataset)
    none = replace(dataset, fixations=dataset.fixations.where(np.zeros(3, dtype=bool)))
    with pytest.raises(DataError, match="too few fixations"):
        fit_durations(none)
