import math

import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.inference.history import checked_history, slots

SIZE = (60, 80)
NAN = math.nan


def test_nothing_given_is_the_center():
    np.testing.assert_array_equal(checked_history(None, None, SIZE), [[40.0, 30.0]])
    np.testing.assert_array_equal(checked_history(None, None, (3, 5)), [[2.5, 1.5]])


def test_an_empty_history_is_none():
    assert checked_history([], [], SIZE).shape == (0, 2)
    assert checked_history([NAN, NAN], [NAN, NAN], SIZE).shape == (0, 2)


def test_fixations_stay_in_their_order_oldest_first():
    found = checked_history([10.0, 20.0, 0.0], [5.0, 59.9, 0.0], SIZE)
    np.testing.assert_array_equal(found, [[10, 5], [20, 59.9], [0, 0]])


def test_missing_older_fixations_may_be_nan():
    found = checked_history(np.array([NAN, NAN, 3.0, 4.0]), np.array([NAN, NAN, 5.0, 6.0]), SIZE)
    np.testing.assert_array_equal(found, [[3, 5], [4, 6]])


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1.0, NAN, 3.0], [1.0, NAN, 3.0]),
        ([1.0, NAN], [1.0, NAN]),
        ([NAN, 2.0], [1.0, 2.0]),
        ([1.0], [NAN]),
    ],
)
def test_nan_after_a_known_fixation_is_an_error(x, y):
    message = (
        r"^history \[\[.*\]\] has NaN after a known fixation: fixations are given oldest first, "
        "and only those before the first known one may be NaN$"
    )
    with pytest.raises(ShapeError, match=message):
        checked_history(x, y, SIZE)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            [80.0],
            [5.0],
            "x_hist has 80, outside the image: expected 0 <= x < 80 for an image of 80x60 pixels",
        ),
        (
            [1.0, -0.5],
            [5.0, 5.0],
            "x_hist has -0.5, outside the image: expected 0 <= x < 80 for an image of 80x60 pixels",
        ),
        (
            [5.0],
            [60.0],
            "y_hist has 60, outside the image: expected 0 <= y < 60 for an image of 80x60 pixels",
        ),
        ([5.0], None, "y_hist is missing: a history needs both x_hist and y_hist"),
        (None, [], "x_hist is missing: a history needs both x_hist and y_hist"),
        ([5.0, 6.0], [5.0], "x_hist has 2 fixations and y_hist 1: give as many"),
        ([math.inf], [5.0], "x_hist holds infinity, expected pixels of the image"),
        ([5.0], [-math.inf], "y_hist holds infinity, expected pixels of the image"),
        (np.zeros((1, 2)), [5.0], "x_hist has shape (1, 2), expected one number per fixation"),
        (
            [5.0],
            np.array(["left"]),
            "y_hist is array(['left'], dtype='<U4'), expected numbers, oldest first",
        ),
    ],
)
def test_what_is_no_history_is_an_error(x, y, message):
    with pytest.raises(ShapeError) as refused:
        checked_history(x, y, SIZE)
    assert str(refused.value) == message


def test_slots_hold_the_last_fixations_most_recent_first():
    history = np.array([[1.0, 10], [2, 20], [3, 30], [4, 40], [5, 50]])
    x, y = slots(history, 4)
    assert x.tolist() == [[5, 4, 3, 2]]
    assert y.tolist() == [[50, 40, 30, 20]]


@pytest.mark.parametrize("known", [0, 1, 3])
def test_slots_without_a_fixation_are_nan(known):
    x, y = slots(np.full((known, 2), 7.0), 4)
    for column in (x[0], y[0]):
        assert column[:known].tolist() == [7] * known
        assert column[known:].isnan().all()
