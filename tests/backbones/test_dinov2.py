"""DINOv2's ViT-B/14 against the fixture of shared/spec."""

import numpy as np
import pytest
import torch

from foregaze.backbones.tapped import TappedBackbone, create_tapped
from foregaze.errors import UnknownNameError
from tests.backbones.spec_files import fixture, fixture_image, published_lists
from tests.models.release_files import fill

PREFIX = "features.backbone.feature_extractors.DINOv2.features.1."


@pytest.fixture(scope="module")
def backbone() -> TappedBackbone:
    backbone = create_tapped("dinov2_vitb14", ["blocks.10", "blocks.6"], None)
    shapes = {f"1.{key}": shape for key, shape in backbone.published_shapes.items()}
    backbone.load_published(fill(shapes, prefix="1."), "fill rule")
    return backbone


def test_blocks_agree_with_the_published_network(backbone):
    published = published_lists("deepgazemsdb")
    assert list(backbone.published_shapes.items()) == [
        (k.removeprefix(PREFIX), shape) for k, shape in published.items() if k.startswith(PREFIX)
    ]
    with torch.inference_mode():
        outputs = backbone(fixture_image()[:, :, :75, :100])
    expected = fixture("dinov2_vitb14")
    assert backbone.channels == (768, 768)
    for output, block, stats in zip(outputs, ("block10", "block6"), expected["stats"], strict=True):
        np.testing.assert_allclose(output[:, :16], expected[block], rtol=0, atol=1e-5)
        x = output.double()
        found = [x.mean(), x.std(correction=0), x.flatten()[0], x.flatten()[-1]]
        np.testing.assert_allclose(found, stats, rtol=0, atol=1e-5)


def test_the_image_is_enlarged_to_whole_patches_before_anything_else(backbone):
    image = fixture_image()[:, :, :20, :30]
    enlarged = torch.nn.functional.interpolate(image, (28, 42), mode="nearest")
    for found, expected in zip(backbone(image), backbone(enlarged), strict=True):
        assert found.shape == (1, 768, 2, 3)
        assert torch.equal(found, expected)


def test_the_trained_grid_takes_the_position_embedding_as_it_is(backbone):
    assert backbone.network._positions(37, 37) is backbone.network.pos_embed
    stretched = backbone.network._positions(37, 38)
    assert stretched.shape == (1, 1 + 37 * 38, 768)
    assert torch.equal(stretched[:, 0], backbone.network.pos_embed[:, 0])


def test_nothing_behind_the_last_block_is_kept(backbone):
    kept = backbone.network.state_dict()
    assert "blocks.10.ls2.gamma" in kept
    assert not any(key.startswith(("blocks.11", "norm", "mask_token")) for key in kept)


def test_the_optimized_network_is_the_same(backbone):
    image = fixture_image()[:, :, :28, :28]
    for found, expected in zip(backbone.optimized()(image), backbone(image), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_unknown_blocks_are_refused():
    with pytest.raises(UnknownNameError, match=r"unknown layer 'blocks.12'; known: blocks.0, "):
        create_tapped("dinov2_vitb14", ["blocks.12"], None)
