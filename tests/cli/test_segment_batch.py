"""See `test_segment.py` for what is written."""

import numpy as np
import pytest

from foregaze.cli.predict_plan import plan_predictions
from foregaze.cli.segment_batch import WRITERS, segment_batch
from foregaze.errors import OutputError
from foregaze.segmentation import make_segmenter


def test_every_ending_has_one_writer(photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    formats = tuple(ending for ending in WRITERS if ending != "affinity.png")
    plan = plan_predictions([photo], tmp_path / "out", formats, overwrite=False, joint="-")
    segmenter = make_segmenter("slic", segments=4)
    assert segment_batch(segmenter, plan, None, None) == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"photo-{ending}" for ending in formats
    )
    assert np.load(tmp_path / "out" / "photo-ids.npy").shape == (60, 80)


def test_a_store_that_cannot_be_is_told_before_any_work(photo, tmp_path):
    (tmp_path / "file").touch()
    plan = plan_predictions([photo], tmp_path / "out", ("ids.png",), overwrite=False, joint="-")
    with pytest.raises(OutputError, match="file: is not a folder"):
        segment_batch(make_segmenter("slic"), plan, tmp_path / "file", None)
    assert not (tmp_path / "out").exists()
