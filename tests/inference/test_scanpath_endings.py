"""How long sampled viewings go on, and where they end."""

import numpy as np
import pytest

from foregaze.inference import scanpath_predictor
from foregaze.inference.zoo import load_model
from tests.inference.toy_deepgaze import picture
from tests.inference.toy_scanpath import LONGEST_MS

SIZE = (96, 128)


@pytest.fixture(scope="module")
def model(scanpath_checkpoint):
    return load_model(str(scanpath_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def image():
    return picture(*SIZE)


def test_scanpaths_that_have_ended_take_no_more_steps(model, image, monkeypatch):
    stepped = []
    last = scanpath_predictor._Viewing._last
    monkeypatch.setattr(
        scanpath_predictor._Viewing,
        "_last",
        lambda self, paths, *rest: stepped.append(len(paths)) or last(self, paths, *rest),
    )
    viewings = model.sample_viewings(image, 8, seconds=0.8, seed=3)
    lengths = [len(one) for one in viewings]
    assert len(set(lengths)) > 1
    assert stepped == [sum(n > step for n in lengths) for step in range(max(lengths))]


def test_lengths_are_as_asked_and_fixations_last(model, image):
    for length in (1, 2, 9):
        for one in model.sample_viewings(image, 4, length=length, seed=0):
            assert len(one) == length
            assert one.has_durations
            assert (one.duration_ms > 0).all()


@pytest.mark.parametrize("seconds", [0.001, 0.5, 3.0])
def test_the_last_fixation_reaches_the_time_asked_for_and_the_one_before_does_not(
    model, image, seconds
):
    for one in model.sample_viewings(image, 30, seconds=seconds, seed=0):
        assert one.duration_ms.sum() >= 1000 * seconds > one.duration_ms[:-1].sum()


def test_scanpaths_in_seconds_are_padded_where_they_are_over(model, image):
    viewings = model.sample_viewings(image, 8, seconds=1.0, seed=0)
    paths = model.sample_scanpaths(image, 8, seed=0, seconds=1.0)
    assert paths.shape == (8, max(map(len, viewings)), 2)
    for path, one in zip(paths, viewings, strict=True):
        np.testing.assert_array_equal(path[: len(one)], np.column_stack([one.x, one.y]))
        assert np.isnan(path[len(one) :]).all()
    assert len({len(one) for one in viewings}) > 1


def test_left_alone_viewers_look_as_long_as_those_of_training(model, image):
    totals = [one.duration_ms.sum() for one in model.sample_viewings(image, 200, seed=0)]
    assert max(totals) <= LONGEST_MS
    # The toy's viewing times are uniform; a last fixation of less than 20 ms may be missing.
    assert np.mean(totals) == pytest.approx((600 + LONGEST_MS) / 2, rel=0.1)
    assert min(totals) >= 600 - 20


def test_a_model_without_viewing_times_still_looks_once(scanpath_checkpoint, image):
    model = load_model(str(scanpath_checkpoint), device="cpu")
    model.model.viewing_ms.zero_()
    for one in model.sample_viewings(image, 3, seed=0):
        assert one.duration_ms.tolist() == [20.0]


def test_durations_go_with_those_before_them(model, image):
    viewings = model.sample_viewings(image, 6000, length=2, seed=0)
    before, after = np.log([one.duration_ms for one in viewings]).T
    assert abs(np.corrcoef(before, after)[0, 1]) > 0.03  # chance: 0.013
