import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from foregaze.errors import ConfigError
from foregaze.segmentation import make_segmenter
from tests.backbones.toy_segment_anything import save_toy

ALL = {"pred_iou": -100.0, "stability": 0.0, "most_box_overlap": 1.0, "smallest_part_px": 0}
"""Settings that leave nothing out."""


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    return {kind: save_toy(folder / kind, kind) for kind in ("sam", "sam2")}


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(skimage.data.astronaut()[60:300:2, 100:340:2])


def make(folder, **settings):
    return make_segmenter(
        "segment-anything", model=str(folder), **{"points_per_side": 4, **settings}
    )


class Proposing:
    """In place of a network: what it proposes for any point."""

    def __init__(self, logits, scores):
        self.logits = torch.tensor(np.array(logits, dtype=np.float32))
        self.scores = torch.tensor(scores)

    def on(self, image):
        def propose(points, size, above):
            assert self.logits.shape[1:] == size
            good = (self.scores > above).repeat(len(points))
            return self.logits.repeat(len(points), 1, 1)[good], self.scores.repeat(len(points))[
                good
            ]

        return propose


def proposing(folder, logits, scores, **settings):
    segmenter = make(folder, **{"points_per_side": 1, "smallest_part_px": 0, **settings})
    segmenter.network = Proposing(logits, scores)
    return segmenter


def rectangle(left, right, size=(20, 40), strength=9.0):
    logits = np.full(size, -strength)
    logits[:, left:right] = strength
    return logits


IMAGE = np.zeros((20, 40, 3), np.uint8)
PARTS = [rectangle(0, 30), rectangle(20, 40), rectangle(22, 26)]


def columns(ids):
    """Runs of ids along the first row."""
    starts = np.flatnonzero(np.diff(ids[0], prepend=-1))
    return {int(start): int(ids[0, start]) for start in starts}


def test_large_regions_lie_under_small_ones(toys):
    ids = proposing(toys["sam"], PARTS, [0.9, 0.95, 0.99]).segments(IMAGE)
    assert ids.dtype == np.int32
    assert columns(ids) == {0: 1, 20: 2, 22: 3, 26: 2}


def test_in_the_thesis_order_worse_regions_lie_over_better_ones(toys):
    ids = proposing(toys["sam"], PARTS, [0.9, 0.95, 0.99], order="score").segments(IMAGE)
    assert columns(ids) == {0: 3, 30: 2}


def test_what_belongs_to_no_region_has_the_id_zero(toys):
    segmenter = proposing(toys["sam"], PARTS[1:], [0.9, 0.95])
    assert columns(segmenter.segments(IMAGE)) == {0: 0, 20: 1, 22: 2, 26: 1}
    assert not proposing(toys["sam"], PARTS[1:], [0.1, 0.2]).segments(IMAGE).any()


def test_the_limit_counts_what_belongs_to_no_region(toys):
    ids = proposing(toys["sam"], PARTS, [0.9, 0.95, 0.99], segments=2).segments(IMAGE)
    assert columns(ids) == {0: 0, 22: 1, 26: 0}
    assert not proposing(toys["sam"], PARTS, [0.9, 0.95, 0.99], segments=1).segments(IMAGE).any()


def test_uncertain_and_unstable_regions_are_left_out(toys):
    faint = rectangle(0, 10)
    faint[:, 10:12] = -0.5  # within 1 of the threshold: 10 of 12 columns stay, 0.83
    segmenter = proposing(toys["sam"], [faint, PARTS[1]], [0.9, 0.86])
    assert not segmenter.segments(IMAGE).any()
    ids = proposing(toys["sam"], [faint, PARTS[1]], [0.9, 0.861], stability=0.83).segments(IMAGE)
    assert columns(ids) == {0: 2, 10: 0, 20: 1}


def test_specks_are_cleaned_away(toys):
    speckled = rectangle(0, 20)
    speckled[3, 4], speckled[9, 30] = -9, 9
    plain = proposing(toys["sam"], [speckled], [0.9]).segments(IMAGE)
    assert plain[3, 4] == 0
    assert plain[9, 30] == 1
    cleaned = proposing(toys["sam"], [speckled], [0.9], smallest_part_px=100).segments(IMAGE)
    np.testing.assert_array_equal(cleaned, rectangle(0, 20) > 0)


def test_large_images_are_segmented_smaller(toys):
    image = np.zeros((40, 80, 3), np.uint8)
    ids = proposing(toys["sam"], PARTS, [0.9, 0.95, 0.99], longest_px=40).segments(image)
    assert ids.shape == (40, 80)
    assert columns(ids) == {0: 1, 40: 2, 44: 3, 52: 2}


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_regions_are_those_of_transformers_own_pipeline(toys, photo, kind):
    """Which scales points as for Segment Anything, so that the photo is a square."""
    from transformers import pipeline

    segmenter = make(toys[kind], **ALL)
    regions, scores = segmenter._propose(segmenter.network.on(photo), (120, 120))
    generate = pipeline(
        "mask-generation",
        model=segmenter.network.network,
        image_processor=segmenter.network.processor,
        device="cpu",
    )
    expected = generate(
        Image.fromarray(photo),
        points_per_batch=5,
        points_per_crop=4,
        pred_iou_thresh=0,
        stability_score_thresh=0,
        crops_nms_thresh=1,
    )
    assert len(regions) == 48
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-4, atol=1e-6)
    different = [(a != np.asarray(b)).mean() for a, b in zip(regions, expected["masks"], strict=1)]
    assert max(different) < 0.001  # logits near zero


@pytest.mark.parametrize("kind", ["sam", "sam2"])
@pytest.mark.parametrize("size", [(1, 1), (7, 90), (64, 40)])
def test_a_network_segments_images_of_any_size(toys, kind, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    segmenter = make(toys[kind], **ALL)
    ids = segmenter.segments(image)
    assert ids.shape == size
    assert 0 <= ids.min() <= ids.max() < 16
    np.testing.assert_array_equal(make(toys[kind], **ALL).segments(image.copy()), ids)


def test_batches_of_points_change_nothing(toys, photo):
    whole = make(toys["sam"], **ALL).segments(photo)
    parts = make(toys["sam"], **ALL, points_per_batch=3).segments(photo)
    assert (whole != parts).mean() < 0.001


def test_provenance_has_thresholds_versions_and_hashes(toys, photo):
    segmenter = make(toys["sam"])
    said = segmenter.provenance(photo)
    assert said["method"] == "segment-anything"
    assert said["settings"]["pred_iou"] == 0.86
    assert said["settings"]["model"] == str(toys["sam"])
    assert {"transformers", "torch", "model_sha256"} < set(said["made_with"])
    assert said != make(toys["sam"], stability=0.95).provenance(photo)
    assert said["image_sha256"] != segmenter.provenance(photo[::-1])["image_sha256"]


def test_impossible_settings_are_refused(toys):
    for settings in ({"order": "size"}, {"stability": 2}, {"segments": 0}, {"min_area": 1}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            make(toys["sam"], **settings)
