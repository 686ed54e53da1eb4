"""DinoGaze against the plain algorithm, and where it looks."""

import math

import pytest
import timm
import torch

from foregaze.models.deepgaze_config import BackboneConfig
from foregaze.models.dinogaze import DinoGaze, DinoGazeConfig, DinoGazeHead
from tests.models.toy_guided import (
    DINOV2_CHANNELS,
    assert_is_plain,
    centerbias,
    pixels,
    published_head,
    toy,
    trained,
)


@pytest.mark.parametrize("length", [0, 1, 4])
def test_density_is_that_of_the_plain_algorithm(length):
    assert_is_plain("dinogaze", length)


@pytest.mark.parametrize("changes", [{"components": 1}, {"readout_factor": 5.0}])
def test_density_is_that_of_the_plain_algorithm_with_other_settings(changes):
    assert_is_plain("dinogaze", 4, **changes)


def test_networks_have_the_published_numbers_of_parameters():
    head = published_head(DinoGazeHead, DinoGazeConfig(), DINOV2_CHANNELS)
    assert trained(head.saliency) == 30_937
    assert trained(head.scanpath) == 4_368
    assert trained(head.fixation_selection) == 4_674
    spatial = published_head(DinoGazeHead, DinoGazeConfig(history=0), DINOV2_CHANNELS)
    assert spatial.scanpath is None
    assert trained(spatial.fixation_selection) == 2_594
    assert trained(spatial.finalizers) == 2


def test_by_default_it_reads_the_last_three_blocks_of_dinov2():
    (network,) = DinoGazeConfig().backbones
    with torch.device("meta"):
        vit = timm.create_model(network.name, pretrained=False)
    depth = len(vit.blocks)
    assert [int(tap) for tap in network.taps] == [depth - 3, depth - 2, depth - 1]
    assert (vit.embed_dim, vit.num_reg_tokens, vit.patch_embed.patch_size) == (1024, 0, (14, 14))
    assert network.source == "hub:timm/vit_large_patch14_dinov2.lvd142m/model.safetensors"


def test_the_readout_grid_is_that_of_the_first_tap_unless_a_factor_is_given():
    features = [torch.zeros(1, 6, 7, 10), torch.zeros(1, 5, 3, 3)]
    assert toy("dinogaze").head.readout_size(features, (61, 83)) == (7, 10)
    assert toy("dinogaze", readout_factor=4.0).head.readout_size(features, (61, 83)) == (16, 21)


@torch.inference_mode()
def test_a_bright_patch_is_seen_where_it_is():
    """The token of a patch must not be that of its neighbor: the thesis' code shifts them."""
    vit = BackboneConfig(name="vit_tiny_patch16_224", taps=("0", "1", "2"), weights="random:0")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = DinoGazeConfig(backbones=(vit,), history=0, blur_sigma=0.3, components=8)
        model = DinoGaze(config).eval()
    for height, width in ((112, 144), (100, 150)):  # of 100x150, 6x9 patches of 16.7 pixels
        rows, columns = model.backbones[0].grid((height, width))
        black, prior = torch.zeros(1, 3, height, width), torch.zeros(1, height, width)
        usual = model(black, prior)[0]
        for row, column in ((0, 0), (rows - 1, columns - 1), (2, columns - 1), (3, 4)):
            top, left = math.ceil(row * height / rows), math.ceil(column * width / columns)
            bottom, right = (row + 1) * height // rows, (column + 1) * width // columns
            image = black.clone()
            image[..., top:bottom, left:right] = 255.0
            change = model(image, prior)[0] - usual
            change = (change - change.median()).abs()  # the norms change all cells alike
            y, x = divmod(int(change.argmax()), width)
            assert top - 2 <= y < bottom + 2, (row, column)  # cells of the density are of 4 pixels
            assert left - 2 <= x < right + 2, (row, column)
            inside = change[top + 2 : bottom - 2, left + 2 : right - 2].mean()
            assert inside > 3 * change.mean()


@torch.inference_mode()
def test_the_center_bias_decides_the_precision_of_the_density():
    model = toy("dinogaze", history=0).float()
    mixed = model(pixels().float(), centerbias())
    assert mixed.dtype == torch.float64
    assert mixed.logsumexp((-2, -1)).abs().max().item() < 1e-12
