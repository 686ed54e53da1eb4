import jaxtyping
import numpy as np
import pytest

from foregaze.errors import DataError, ForegazeError, ShapeError
from foregaze.scanpath_metrics import NoDurationsError, NoSymbolsError, Scanpath, TooShortError
from tests.scanpath_metrics.scanpaths import SIZE, path


def test_columns_of_different_lengths_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as where no test runs
    with pytest.raises(ShapeError, match="3 x, 2 y and 3 durations"):
        Scanpath(np.zeros(3), np.zeros(2), np.zeros(3))


def test_a_scanpath_without_fixations_is_refused():
    with pytest.raises(ShapeError, match="at least one fixation"):
        Scanpath(np.zeros(0), np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_position_that_is_no_finite_number_is_refused(wrong):
    with pytest.raises(DataError, match="fixation 1 of a scanpath is at no finite position"):
        path((3.0, 4.0), (3.0, wrong))


@pytest.mark.parametrize("wrong", [-1.0, np.inf])
def test_a_negative_or_infinite_duration_is_refused(wrong):
    with pytest.raises(DataError, match="fixation 0 of a scanpath lasts"):
        path((3.0, 4.0, wrong))


def test_one_unknown_duration_leaves_a_scanpath_without_durations():
    assert path((3, 4, 200), (3, 4, 0)).has_durations
    assert not path((3, 4, 200), (3, 4, np.nan)).has_durations
    assert not Scanpath.without_durations(np.ones(2), np.ones(2)).has_durations


def test_single_precision_columns_are_kept_in_float64():
    single = np.array([0.1], dtype=np.float32)
    scanpath = Scanpath(single, single, single)
    assert scanpath.x.dtype == scanpath.y.dtype == scanpath.duration_ms.dtype == np.float64


def test_pixel_i_covers_i_to_i_plus_one():
    height, width = SIZE
    assert path((0, 0), (width - 0.01, height - 0.01)).is_inside(SIZE)
    assert not path((0, 0), (width, 5)).is_inside(SIZE)
    assert not path((0, -0.01)).is_inside(SIZE)


@pytest.mark.parametrize("error", [TooShortError, NoDurationsError, NoSymbolsError])
def test_a_score_that_does_not_exist_is_one_of_our_errors(error):
    assert issubclass(error, ForegazeError)
