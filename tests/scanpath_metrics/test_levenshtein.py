import numpy as np
from hypothesis import given

from foregaze.scanpath_metrics import Scanpath, levenshtein, string_edit_distance
from tests.scanpath_metrics.conftest import SIZE as GOLDEN_SIZE
from tests.scanpath_metrics.conftest import GoldenPair
from tests.scanpath_metrics.scanpaths import SIZE, codes, path, scanpaths


def test_distances_are_the_published_codes(golden: GoldenPair):
    assert string_edit_distance(golden.a, golden.b, GOLDEN_SIZE) == golden.values["sed_5x5"]
    strings = (np.array(golden.values[f"string_{name}_4x3"]) for name in "ab")
    assert levenshtein(*strings) == golden.values["levenshtein"]


def test_kitten_is_three_edits_from_sitting():
    a, b = (np.array([ord(letter) for letter in word]) for word in ("kitten", "sitting"))
    assert levenshtein(a, b) == 3


@given(codes, codes, codes)
def test_levenshtein_is_a_metric(a, b, c):
    assert levenshtein(a, a) == 0
    assert levenshtein(a, b) == levenshtein(b, a)
    assert levenshtein(a, c) <= levenshtein(a, b) + levenshtein(b, c)
    assert abs(len(a) - len(b)) <= levenshtein(a, b) <= max(len(a), len(b))


def test_an_empty_string_is_as_far_as_the_other_is_long():
    empty = np.array([], dtype=np.int64)
    assert levenshtein(empty, np.array([1, 2, 3])) == 3
    assert levenshtein(np.array([1, 2, 3]), empty) == 3


def test_fixations_in_the_same_cells_are_no_edit_apart():
    a, b = path((1, 1), (40, 30)), path((15, 11), (33, 35))  # cells of 16x12 px
    assert string_edit_distance(a, b, SIZE) == 0
    assert string_edit_distance(a, b, SIZE, cells=60) == 2


@given(scanpaths(), scanpaths())
def test_scaling_the_stimulus_changes_nothing(a, b):
    doubled = [Scanpath(2 * s.x, 2 * s.y, s.duration_ms) for s in (a, b)]
    size = (2 * SIZE[0], 2 * SIZE[1])
    assert string_edit_distance(*doubled, size) == string_edit_distance(a, b, SIZE)
