from pathlib import Path

import numpy as np
import pytest
import skimage
import timm
import torch
from PIL import Image

from foregaze.backbones.efficientnet_lite import PACKAGES, is_package_layout, to_timm_names
from foregaze.backbones.staged import create_backbone
from foregaze.backbones.weights import load_strictly, read_state_dict, resolve_weights
from foregaze.errors import WeightsError
from foregaze.images import read_image

INPUT_PX = dict(zip(PACKAGES, (224, 240, 260), strict=True))
BLOCKS = {
    "tf_efficientnet_lite0": [1, 2, 2, 3, 3, 4, 1],
    "tf_efficientnet_lite1": [1, 3, 3, 4, 4, 5, 1],
    "tf_efficientnet_lite2": [1, 3, 3, 4, 4, 5, 1],
}

# Indices in ImageNet's 1000 classes.
ESPRESSO, TRIPOD, MOPED = 967, 872, 665
TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
PHOTOGRAPHS = [
    ("coffee.png", {ESPRESSO}),
    ("chelsea.png", {TABBY, TIGER_CAT, EGYPTIAN_CAT}),
    ("camera.png", {TRIPOD}),
    ("motorcycle_left.png", {MOPED}),
]


def package_tensors(name: str) -> dict[str, torch.Tensor]:
    return read_state_dict(resolve_weights(PACKAGES[name]))


@pytest.fixture(scope="module", params=PACKAGES)
def network(request: pytest.FixtureRequest) -> torch.nn.Module:
    """The whole classifier; its `name` is timm's."""
    name = request.param
    network = timm.create_model(name, pretrained=False).eval()
    load_strictly(network, to_timm_names(package_tensors(name), BLOCKS[name]), name)
    network.name = name
    return network


def photograph(name: str, side_px: int) -> torch.Tensor:
    """Shorter side to 32 px more than the crop, center crop, -1 to 1."""
    image = read_image(Path(skimage.__file__).parent / "data" / name)
    height, width = image.shape[:2]
    scale = (side_px + 32) / min(height, width)
    height, width = round(height * scale), round(width * scale)
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side_px) // 2, (height - side_px) // 2
    cropped = np.array(resized.crop((left, top, left + side_px, top + side_px)))
    return (torch.from_numpy(cropped).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5


@pytest.mark.parametrize(("name", "classes"), PHOTOGRAPHS)
@torch.inference_mode()
def test_photographs_are_recognized(network, name, classes):
    pixels = photograph(name, INPUT_PX[network.name])
    assert network(pixels).argmax().item() in classes


@torch.inference_mode()
def test_the_stages_of_the_backbone_carry_the_same_weights(network):
    x = photograph("coffee.png", INPUT_PX[network.name])
    probability = network(x).softmax(1)[0, ESPRESSO]
    for stage in create_backbone(network.name, PACKAGES[network.name]).stages:
        x = stage(x)
    logits = network.forward_head(network.bn2(network.conv_head(x)))
    assert probability > 0.5
    torch.testing.assert_close(logits.softmax(1)[0, ESPRESSO], probability)


@pytest.mark.parametrize("name", PACKAGES)
def test_the_packages_list_their_tensors_in_the_order_of_timm(name):
    """Both ports define their layers in the order in which they run, so that the order pairs them.

    Photographs survive an exchange of two similar norms; this does not.
    """
    tensors = package_tensors(name)
    mapped = to_timm_names(tensors, BLOCKS[name])
    assert all(a is b for a, b in zip(mapped.values(), tensors.values(), strict=True))
    expected = timm.create_model(name, pretrained=False).state_dict()
    assert list(mapped) == list(expected)
    assert [t.shape for t in mapped.values()] == [t.shape for t in expected.values()]


def test_layouts_are_told_apart():
    assert is_package_layout({"_conv_stem.weight": torch.zeros(1)})
    assert not is_package_layout({"conv_stem.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    "key",
    [
        "_blocks.0._expand_convolution.weight",
        "_blocks.0._bn3.weight",
        "_blocks.9._bn1.weight",
        "_blocks.0._se_reduce.weight",
        "conv_stem.weight",
        "_fc.weight.data",
        "step",
    ],
)
def test_a_key_of_another_network_is_refused(key):
    with pytest.raises(WeightsError, match=f"'{key}' of the weights has no place in an Eff"):
        to_timm_names({key: torch.zeros(1)}, [1, 2])


def test_weights_of_a_larger_network_are_refused():
    with pytest.raises(WeightsError, match="no place in an EfficientNet-Lite of 16 blocks"):
        create_backbone("tf_efficientnet_lite0", PACKAGES["tf_efficientnet_lite2"])


def test_weights_of_another_width_are_refused_with_both_shapes():
    source = PACKAGES["tf_efficientnet_lite1"]
    shapes = r"has shape \(40, 144, 1, 1\), expected \(48, 144, 1, 1\)"
    with pytest.raises(WeightsError, match=f"^{source}: blocks.2.0.conv_pwl.weight {shapes}$"):
        create_backbone("tf_efficientnet_lite2", source)
