"""Learned vectors of segment ids, against the plain algorithm."""

import pytest
import torch

from foregaze.models.deepgaze_spade_static import (
    DeepGazeSpadeStaticConfig,
    DeepGazeSpadeStaticHead,
)
from tests.models.toy_guided import (
    DENSENET_CHANNELS,
    assert_is_plain,
    inputs,
    published_head,
    segments,
    toy,
    trained,
)


@pytest.mark.parametrize("length", [0, 4])
def test_density_is_that_of_the_plain_algorithm(length):
    assert_is_plain("static", length)


@pytest.mark.parametrize("changes", [{"components": 1}, {"readout_factor": 8.0}])
def test_density_is_that_of_the_plain_algorithm_with_other_settings(changes):
    assert_is_plain("static", 4, **changes)


def test_networks_have_the_published_numbers_of_parameters():
    config = DeepGazeSpadeStaticConfig(most_segments=64)
    head = published_head(DeepGazeSpadeStaticHead, config, DENSENET_CHANNELS)
    vectors = head.embedding.numel()
    assert vectors == 64 * 128
    assert (trained(head.saliency) + vectors) / 1e6 == pytest.approx(5.25, abs=0.005)
    assert trained(head.fixation_selection) == 4_674
    assert trained(head.scanpath) == 4_368


def test_vectors_are_frozen_with_the_network_that_sees_them():
    head = toy("static").head
    head.freeze("selection")
    assert head.embedding.requires_grad
    assert trained(head.fixation_selection) == 0
    head.freeze("saliency")
    assert not head.embedding.requires_grad
    assert trained(head.saliency) == 0


def test_the_last_layer_can_be_trained_alone():
    head = toy("static").head
    head.freeze("saliency-hidden")
    first, second, last = map(trained, head.saliency.layers)
    assert (first, second) == (0, 0)
    assert last == trained(head.saliency) > 0
    assert not head.embedding.requires_grad  # which the frozen layers see


@torch.inference_mode()
def test_renamed_segments_with_their_vectors_renamed_are_the_same():
    model = toy("static")
    given, options = inputs("static")
    ours = model(*given, **options)
    order = torch.tensor([3, 0, 8, 5, 1, 7, 2, 4, 6])
    table = model.head.embedding.data.clone()
    model.head.embedding.data[:, order] = table
    renamed = model(*given, segments=[order[ids] for ids in segments()])
    assert torch.equal(renamed, ours)


@torch.inference_mode()
def test_only_vectors_of_ids_that_are_there_matter():
    model = toy("static")
    given, _ = inputs("static")
    two = [(ids > 1).long() for ids in segments()]
    ours = model(*given, segments=two)
    model.head.embedding.data[:, 2:] += 1
    assert torch.equal(model(*given, segments=two), ours)
    model.head.embedding.data[:, :2] += 1
    assert not torch.equal(model(*given, segments=two), ours)
