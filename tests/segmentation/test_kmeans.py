import numpy as np
import torch

from foregaze.segmentation import make_segmenter
from foregaze.segmentation.kmeans import cluster, refined

TOY = {"backbone": "tf_efficientnet_lite0", "weights": "random:0", "stage": 2}


def test_patches_that_look_alike_are_one_segment():
    features = np.zeros((2, 3, 4), np.float32)
    features[0, :, 2:] = 5
    features[1, 0] = 9
    ids = cluster(features, 4, seed=0)
    groups = {tuple(features[:, y, x]): set() for y in range(3) for x in range(4)}
    for y in range(3):
        for x in range(4):
            groups[tuple(features[:, y, x])].add(int(ids[y, x]))
    assert all(len(found) == 1 for found in groups.values())
    assert len(set.union(*groups.values())) == 4


def test_no_more_segments_than_different_patches():
    features = np.zeros((1, 2, 2), np.float32)
    features[0, 1, 1] = 1
    assert len(np.unique(cluster(features, 16, seed=0))) == 2


def test_refined_features_are_between_those_of_patches():
    features = np.array([[[0.0, 8.0]]], np.float32)
    assert refined(features, 4)[0, 0].tolist() == [0, 0, 1, 3, 5, 7, 8, 8]
    np.testing.assert_array_equal(refined(features, 1), features)


def test_without_refinement_segments_are_made_of_patches():
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    segmenter = make_segmenter("kmeans", **TOY, input_size=(96, 128), finer=1)
    _, rows, columns = segmenter.features(image).shape
    assert (rows, columns) == (12, 16)
    patches = segmenter.segments(image).reshape(12, 8, 16, 8)
    assert (patches == patches[:, :1, :, :1]).all()
    finer = make_segmenter("kmeans", **TOY, input_size=(96, 128)).segments(image)
    assert (finer.reshape(12, 8, 16, 8) != finer[::8, ::8].reshape(12, 1, 16, 1)).any()


def test_features_follow_the_stage():
    image = np.zeros((64, 64, 3), np.uint8)
    for stage, channels, side in ((2, 40, 8), (5, 192, 2)):
        segmenter = make_segmenter("kmeans", **{**TOY, "stage": stage}, input_size=(64, 64))
        assert segmenter.features(image).shape == (channels, side, side)
        assert not any(p.requires_grad for p in segmenter.network.parameters())
        assert not torch.is_inference_mode_enabled()


def test_patches_of_a_vision_transformer_are_clustered():
    segmenter = make_segmenter(
        "kmeans",
        segments=3,
        backbone="vit_tiny_patch16_224",
        weights="random:0",
        stage=2,
        finer=1,
        input_size=(64, 96),
    )
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    assert segmenter.features(image).shape == (192, 4, 6)
    assert sorted(np.unique(segmenter.segments(image))) == [0, 1, 2]
