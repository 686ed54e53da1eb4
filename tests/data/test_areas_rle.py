import json
from pathlib import Path

import numpy as np
import pytest

from foregaze.data.areas_rle import decode_counts, decode_runs

CASES = json.loads((Path(__file__).parents[1] / "golden" / "coco_rle.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "x".join(map(str, case["size"])))
def test_runs_are_those_of_pycocotools(case):
    on = decode_runs(decode_counts(case["counts"]), tuple(case["size"]))
    assert on.shape == tuple(case["size"])
    assert on.sum() == case["on"]
    if case["on"]:
        rows, columns = np.nonzero(on)
        x, y, width, height = case["bbox"]
        assert (columns.min(), rows.min()) == (x, y)
        assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (width, height)
    if case["rows"] is not None:
        assert ["".join(map(str, row.astype(int))) for row in on] == case["rows"]


def test_runs_go_down_the_columns_and_begin_with_off():
    np.testing.assert_array_equal(decode_runs([1, 3, 2], (2, 3)), [[0, 1, 0], [1, 1, 0]])


@pytest.mark.parametrize("counts", [[1, 3, 1], [1, 3, 2, 1], [7, -1], []])
def test_runs_of_another_total_are_refused(counts):
    with pytest.raises(ValueError, match=r"they add up to \d, expected .* add up to 6"):
        decode_runs(counts, (2, 3))


def test_text_that_ends_within_a_number_is_refused():
    with pytest.raises(ValueError, match="they end within a number"):
        decode_counts("1T")


def test_text_with_other_characters_is_refused():
    with pytest.raises(ValueError, match="'~' is no character of theirs"):
        decode_counts("1~")
