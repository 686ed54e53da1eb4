"""Segments of a run: made once, found again by the keys that it leaves."""

import numpy as np
import pytest

from foregaze.data import load_dataset
from foregaze.errors import DataError, OutputError
from foregaze.segmentation import SegmentStore, make_segmenter
from foregaze.training.segments import (
    SEGMENT_KEYS,
    read_segment_keys,
    segment_images,
    segmenter_of,
    stored_segments,
    write_segment_keys,
)
from tests.training.toy_guided import guided


@pytest.fixture(scope="module")
def dataset(small_osie):
    return load_dataset("osie", small_osie)


@pytest.fixture
def config_of(tmp_path):
    def make(**model):
        segments = guided(tmp_path, tmp_path, "dinogaze-spade", model=model).segments
        assert segments is not None
        return segments

    return make


def test_stored_segments_are_those_of_the_models_segmenter(dataset, config_of, tmp_path):
    config = config_of(segmenter="slic", segmenter_settings={"segments": 5})
    keys = segment_images(config, dataset, tmp_path / "store", [3])
    assert set(keys) == {dataset.stimuli.names[3]}
    write_segment_keys(tmp_path, keys)
    of = stored_segments(tmp_path, tmp_path / "store", dataset)
    expected = make_segmenter("slic", segments=5).segments(dataset.stimuli[3])
    np.testing.assert_array_equal(of(3), expected)
    with pytest.raises(DataError, match=f"{dataset.stimuli.names[1]}: has no segments in"):
        of(1)


def test_segments_are_made_once(dataset, config_of, tmp_path, monkeypatch):
    config = config_of()
    keys = segment_images(config, dataset, tmp_path / "store", [0, 1])
    monkeypatch.setattr(type(segmenter_of(config)), "segments", None)
    assert segment_images(config, dataset, tmp_path / "store", [0, 1]) == keys
    with pytest.raises(TypeError):
        segment_images(config, dataset, tmp_path / "store", [2])


def test_other_settings_have_other_keys(dataset, config_of, tmp_path):
    first = segment_images(config_of(), dataset, tmp_path / "store", [0])
    other = config_of(segmenter_settings={"rows": 1, "columns": 3})
    assert segment_images(other, dataset, tmp_path / "store", [0]) != first
    store = SegmentStore(tmp_path / "store")
    assert len(store) == 2
    store.close()


def test_more_segments_than_the_model_takes_are_an_error(dataset, config_of, tmp_path):
    config = config_of(most_segments=5)
    message = f"{dataset.stimuli.names[0]}: has a segment with the id 5, .* below 5: set most_seg"
    with pytest.raises(DataError, match=message):
        segment_images(config, dataset, tmp_path / "store", [0])


def test_keys_that_cannot_be_read_are_an_error(tmp_path):
    with pytest.raises(OutputError, match=rf"{SEGMENT_KEYS}: cannot be read"):
        read_segment_keys(tmp_path)
    (tmp_path / SEGMENT_KEYS).write_text("{")
    with pytest.raises(OutputError, match=rf"{SEGMENT_KEYS}: cannot be read"):
        read_segment_keys(tmp_path)
