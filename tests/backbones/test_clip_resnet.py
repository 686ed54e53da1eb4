"""CLIP's RN50x64 against the fixture of shared/spec."""

import numpy as np
import torch

from foregaze.backbones.clip_resnet import Bottleneck
from foregaze.backbones.tapped import create_tapped
from tests.backbones.spec_files import fixture, fixture_image, published_lists
from tests.models.release_files import fill

PREFIX = "features.backbone.feature_extractors.CLIP.features.1."


def test_the_last_layers_features_agree_with_the_published_network():
    backbone = create_tapped("clip_rn50x64", ["layer4.2.conv2"], None)
    published = published_lists("deepgazemsdb")
    assert list(backbone.published_shapes.items()) == [
        (k.removeprefix(PREFIX), shape) for k, shape in published.items() if k.startswith(PREFIX)
    ]
    shapes = {f"1.{key}": shape for key, shape in backbone.published_shapes.items()}
    backbone.load_published(fill(shapes, prefix="1."), "fill rule")
    with torch.inference_mode():
        (features,) = backbone(fixture_image()[:, :, :96, :128])
    expected = fixture("clip_rn50x64")
    scale = np.abs(expected["out"]).max()  # 5e10
    assert backbone.channels == (1024,)
    np.testing.assert_allclose(features[:, :16] / scale, expected["out"] / scale, rtol=0, atol=2e-6)
    x = features.double()
    np.testing.assert_allclose(
        [x.mean(), x.std(correction=0), x.flatten()[0], x.flatten()[-1]],
        expected["stats"][0],
        rtol=1e-5,
    )


def test_a_block_pools_before_its_last_convolution_and_in_its_shortcut():
    block = Bottleneck(4, 2, stride=2).eval()
    names = [name for name, _ in block.downsample.named_children()]
    assert names == ["-1", "0", "1"]
    assert block.conv2.stride == (1, 1)
    assert block(torch.rand(1, 4, 6, 8)).shape == (1, 8, 3, 4)
