import numpy as np
import pytest

from foregaze.cli.scanpaths_batch import _draw, to_csv
from foregaze.data import load_dataset
from foregaze.evaluation.scanpath_csv import read_scanpaths
from foregaze.inference.conditional import Extent
from foregaze.inference.drawing import Sampling
from foregaze.scanpath_metrics import Scanpath
from tests.cli.viewer import Viewer, ViewerModel

SIZE = (60, 80)


@pytest.mark.parametrize(
    ("model", "led"),
    [
        (ViewerModel(), False),
        (ViewerModel(starts=False), True),
        (ViewerModel(sees_history=False, starts=False), False),
    ],
)
def test_scanpaths_are_led_by_what_the_model_takes_as_given(model, led):
    viewer = Viewer(SIZE)
    sampled = _draw(Sampling(3, Extent(length=4), 5), model, viewer, SIZE)
    assert [len(one) for one in sampled] == [4 + led] * 3
    assert viewer.asked[1:] == (3, Extent(length=4), 5)
    lead = np.column_stack([sampled[0].x, sampled[0].y])[: int(led)]
    np.testing.assert_array_equal(viewer.asked[0], lead)
    np.testing.assert_array_equal(lead, [[40, 30]] * led or np.empty((0, 2)))
    assert np.isnan(sampled[0].duration_ms).sum() == led


def test_the_table_is_what_evaluate_reads(osie_root, tmp_path):
    dataset = load_dataset("osie", osie_root)
    given = [
        Scanpath(np.array([79.9999, 3.25]), np.array([59.9999, 0.0]), np.array([210.5, np.nan])),
        Scanpath.without_durations(np.array([5.0]), np.array([6.0])),
    ]
    (tmp_path / "table.csv").write_text(to_csv(given, "1002.jpg"))
    read = read_scanpaths(tmp_path / "table.csv", dataset)[1]
    np.testing.assert_array_equal(read[0].x, [79.999, 3.25])
    np.testing.assert_array_equal(read[0].y, [59.999, 0])
    np.testing.assert_array_equal(read[0].duration_ms, [210.5, np.nan])
    np.testing.assert_array_equal(read[1].x, [5])
