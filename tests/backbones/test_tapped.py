"""The networks against the fixtures of shared/spec, made by running the published models."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from foregaze.backbones.tapped import TAPPED, Normalization, TappedBackbone, create_tapped
from foregaze.errors import ConfigError, UnknownNameError, WeightsError
from tests.backbones.spec_files import fixture, fixture_image, published_lists
from tests.models.release_files import fill

DENSENET_TAPS = (
    "features.denseblock4.denselayer32.norm1",
    "features.denseblock4.denselayer32.conv1",
    "features.denseblock4.denselayer31.conv2",
)
RESNET_TAPS = (
    "layer3.0.conv2",
    "layer3.3.conv2",
    "layer3.5.conv1",
    "layer3.5.conv2",
    "layer4.1.conv2",
    "layer4.2.conv2",
)
RESNEXT_TAPS = ("layer3.5.conv1", "layer3.5.conv2", "layer3.4.conv2", "layer4.2.conv2")
EFFICIENTNET_TAPS = (
    "_blocks.24._depthwise_conv",
    "_blocks.26._depthwise_conv",
    "_blocks.35._project_conv",
)
PUBLISHED = [
    # network, its taps, the model it is published in, its prefix there, its fixture
    ("alexnet", ("features.10",), "deepgaze1", "features.features.1.", "feature_stats"),
    (
        "resnet50",
        RESNET_TAPS,
        "deepgaze2e",
        "models.0.features.features.1.module.",
        "feature_stats_0",
    ),
    (
        "efficientnet_b5",
        EFFICIENTNET_TAPS,
        "deepgaze2e",
        "models.1.features.features.1.",
        "feature_stats_1",
    ),
    (
        "densenet201",
        DENSENET_TAPS,
        "deepgaze2e",
        "models.2.features.features.1.",
        "feature_stats_2",
    ),
    (
        "resnext50_32x4d",
        RESNEXT_TAPS,
        "deepgaze2e",
        "models.3.features.features.1.",
        "feature_stats_3",
    ),
    ("densenet201", DENSENET_TAPS, "deepgaze3", "features.features.1.", "feature_stats"),
]


def half_image() -> Tensor:
    return fixture_image()[:, :, ::2, ::2]


def stats(tap: Tensor) -> list[float]:
    """Mean, standard deviation, first and last element, as in the fixtures."""
    x = tap.double()
    return [
        x.mean().item(),
        x.std(correction=0).item(),
        x.flatten()[0].item(),
        x[..., -1, -1][0, -1].item(),
    ]


def filled_densenet(*taps: str) -> TappedBackbone:
    backbone = create_tapped("densenet201", taps, None)
    backbone.load_published(fill(backbone.published_shapes), "fill rule")
    return backbone


@pytest.mark.parametrize(("name", "taps", "model", "prefix", "key"), PUBLISHED)
def test_taps_agree_with_the_published_models(name, taps, model, prefix, key):
    shapes = published_lists(model)
    backbone = create_tapped(name, taps, None)
    assert list(backbone.published_shapes.items()) == [
        (k.removeprefix(prefix), shape) for k, shape in shapes.items() if k.startswith(prefix)
    ]
    backbone.load_published(fill(shapes, prefix), "fill rule")
    with torch.inference_mode():
        outputs = backbone(half_image())
        optimized = backbone.optimized()(half_image())
    assert tuple(x.shape[1] for x in outputs) == backbone.channels
    for output, same, expected in zip(outputs, optimized, fixture(model)[key], strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(stats(output) / scale, expected / scale, rtol=0, atol=5e-6)
        np.testing.assert_allclose(stats(same) / scale, expected / scale, rtol=0, atol=5e-6)
        # the same values at every place, to the noise of float32
        np.testing.assert_allclose(same, output, rtol=0, atol=3e-6 * output.abs().max().item())


def test_taps_come_in_the_order_asked_and_each_as_often_as_asked():
    layers = ("features.denseblock1.denselayer2.conv1", "features.conv0")
    backbone = filled_densenet(*layers, layers[0])
    last, first, again = backbone(half_image())
    assert backbone.channels == (128, 64, 128)
    assert first.shape == (1, 64, 38, 51)
    assert last.shape == (1, 128, 19, 26)
    assert torch.equal(last, again)


def test_taps_are_taken_before_the_activation_that_follows():
    backbone = filled_densenet("features.norm0", "features.pool0")
    for network in (backbone, backbone.optimized()):
        norm, pool = network(half_image())
        assert norm.min() < 0
        expected = nn.functional.max_pool2d(norm.relu(), 3, stride=2, padding=1)
        torch.testing.assert_close(pool, expected, rtol=0, atol=0)


@pytest.mark.parametrize("tap", ["layer1.0.bn2", "layer1.0.bn3"])  # a ReLU, a sum follows
def test_taps_are_left_alone_by_what_follows(tap):
    alone = create_tapped("resnet50", [tap], None)
    tensors = fill(alone.published_shapes)
    alone.load_published(tensors, "fill rule")
    (expected,) = alone(half_image())
    assert expected.min() < 0
    backbone = create_tapped("resnet50", [tap, "layer1.1.conv1"], None)
    backbone.load_published(tensors, "fill rule")
    for network in (backbone, backbone.optimized()):
        found = network(half_image())[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * expected.abs().max().item())


def test_an_optimized_backbone_leaves_the_original_alone_and_takes_no_weights():
    backbone = filled_densenet("features.denseblock1.denselayer2.conv2")
    (before,) = backbone(half_image())
    optimized = backbone.optimized()
    assert not any(parameter.requires_grad for parameter in optimized.parameters())
    assert torch.equal(backbone(half_image())[0], before)
    tensors = fill(backbone.published_shapes)
    with pytest.raises(WeightsError, match="here: cannot be loaded into an optimized backbone"):
        optimized.load_published(tensors, "here")
    backbone.load_published(tensors, "here")


def test_nothing_behind_the_last_tap_is_kept_or_computed():
    backbone = filled_densenet("features.denseblock1.denselayer2.norm1")
    kept = set(backbone.network.state_dict())
    assert "features.denseblock1.denselayer1.conv2.weight" in kept
    assert not any("denselayer2.conv1" in key or "denselayer3" in key for key in kept)
    assert not any("classifier" in key or "denseblock2" in key for key in kept)
    # any of the layers behind would need its parameters
    assert {name for name, _ in backbone.network.named_modules()} >= {"features.conv0"}
    assert "denseblock2" not in str(backbone.network)


def test_the_backbone_stays_frozen_and_in_evaluation_mode():
    backbone = filled_densenet("features.transition1.pool")
    before = backbone(half_image())[0]
    assert backbone.train() is backbone
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    torch.testing.assert_close(backbone(half_image())[0], before, rtol=0, atol=0)


def test_gradients_reach_the_image():
    backbone = filled_densenet("features.denseblock1.denselayer2.conv2").double()
    image = (torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 255).double()
    image.requires_grad_()
    (gradient,) = torch.autograd.grad(backbone(image)[0].sum(), image)
    step = torch.zeros_like(image)
    step[0, 1, 4, 3] = 1e-3
    with torch.no_grad():
        difference = (backbone(image + step)[0] - backbone(image - step)[0]).sum() / 2e-3
    assert difference.item() == pytest.approx(gradient[0, 1, 4, 3].item(), rel=1e-5)


def test_float64_agrees_with_float32():
    taps = ("features.denseblock2.denselayer12.norm1", "features.denseblock2.denselayer12.conv2")
    backbone = filled_densenet(*taps)
    image = half_image()
    with torch.inference_mode():
        single = backbone(image)
        from_double = backbone(image.double())
        double = backbone.double()(image)
    for x, y, z in zip(single, from_double, double, strict=True):
        assert (x.dtype, y.dtype, z.dtype) == (torch.float32, torch.float32, torch.float64)
        scale = z.abs().max().item()
        torch.testing.assert_close(x.double(), z, rtol=0, atol=2e-6 * scale)
        torch.testing.assert_close(y.double(), z, rtol=0, atol=2e-6 * scale)


def test_normalization_rounds_each_step_of_float64_constants_to_the_pixels_precision():
    pixels = torch.arange(256.0).expand(1, 3, 1, 256)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    x = pixels.numpy() / np.float32(255)
    x = (x - np.array(mean)[:, None, None]).astype(np.float32)
    x = (x / np.array(std)[:, None, None]).astype(np.float32)
    normalization = Normalization(mean, std)
    for module in (normalization, normalization.double(), normalization.float()):
        assert np.array_equal(module(pixels), x)
        assert module(pixels.double()).dtype == torch.float64
    exact = (pixels.double().numpy() / 255 - np.array(mean)[:, None, None]) / np.array(std)[
        :, None, None
    ]
    np.testing.assert_allclose(normalization(pixels.double()), exact, rtol=1e-15)
    assert dict(normalization.state_dict()) == {}


def test_weights_that_do_not_fit_are_named_and_nothing_of_them_is_loaded():
    backbone = create_tapped("alexnet", ["features.0"], "random:1")
    before = backbone.network.state_dict()["features.0.weight"].clone()
    tensors = {key: torch.zeros(shape) for key, shape in backbone.published_shapes.items()}

    without = {key: x for key, x in tensors.items() if key != "classifier.6.bias"}
    with pytest.raises(WeightsError, match=r"here: .* 1 keys missing .*'classifier.6.bias'"):
        backbone.load_published(without, "here")
    with pytest.raises(WeightsError, match=r"here: .* 1 keys unexpected \(first: 'extra'\)"):
        backbone.load_published({**tensors, "extra": torch.zeros(1)}, "here")
    misshapen = {**tensors, "classifier.6.bias": torch.zeros(10)}
    with pytest.raises(
        WeightsError, match=r"here: classifier.6.bias has shape \(10,\), expected \(1000,\)"
    ):
        backbone.load_published(misshapen, "here")
    assert torch.equal(backbone.network.state_dict()["features.0.weight"], before)
    backbone.load_published(tensors, "here")
    assert not backbone.network.state_dict()["features.0.weight"].any()


def test_only_files_from_before_batch_norms_counters_may_lack_them():
    backbone = create_tapped("resnet50", ["layer1.0.conv1"], None)
    tensors = {key: torch.ones(shape) for key, shape in backbone.published_shapes.items()}
    old = {key: x for key, x in tensors.items() if "num_batches_tracked" not in key}
    backbone.load_published(old, "old file")
    assert backbone.network.state_dict()["bn1.num_batches_tracked"] == 0
    del tensors["layer4.0.bn1.num_batches_tracked"]
    with pytest.raises(WeightsError, match=r"1 keys missing .*layer4.0.bn1.num_batches_tracked"):
        backbone.load_published(tensors, "half a file")


def test_a_weights_file_is_loaded_by_its_path(tmp_path):
    source = create_tapped("resnet50", ["layer1.0.conv1"], None)
    tensors = fill(source.published_shapes)
    torch.save(tensors, tmp_path / "resnet50.pth")
    backbone = create_tapped("resnet50", ["layer1.0.conv1"], str(tmp_path / "resnet50.pth"))
    assert torch.equal(backbone.network.state_dict()["conv1.weight"], tensors["conv1.weight"])


def test_the_densenet_files_dotted_names_are_read(tmp_path):
    backbone = create_tapped("densenet201", ["features.denseblock1.denselayer1.conv2"], None)
    tensors = {
        re.sub(r"(denselayer\d+\.)(norm|conv)(\d)", r"\1\2.\3", key): x
        for key, x in fill(backbone.published_shapes).items()
        if "num_batches_tracked" not in key
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in tensors
    torch.save(tensors, tmp_path / "densenet.pth")
    create_tapped("densenet201", ["features.conv0"], str(tmp_path / "densenet.pth"))


def test_random_weights_repeat_and_leave_the_generator_alone():
    state = torch.get_rng_state()
    create_tapped("alexnet", ["features.3"], None)
    first, second, other = (
        create_tapped("alexnet", ["features.3"], f"random:{seed}").network.state_dict()
        for seed in (1, 1, 2)
    )
    assert torch.equal(first["features.3.weight"], second["features.3.weight"])
    assert not torch.equal(first["features.3.weight"], other["features.3.weight"])
    assert torch.equal(torch.get_rng_state(), state)


def test_what_cannot_be_made_is_said():
    with pytest.raises(UnknownNameError, match="unknown backbone 'alexnet2'; known: alexnet, clip"):
        create_tapped("alexnet2", ["features.0"], None)
    with pytest.raises(UnknownNameError, match=r"unknown layer 'features.99'; known: .*features.0"):
        create_tapped("alexnet", ["features.99"], None)
    with pytest.raises(ConfigError, match="'alexnet': no tap asked"):
        create_tapped("alexnet", [], None)
    with pytest.raises(WeightsError, match="random:x: expected a whole number"):
        create_tapped("alexnet", ["features.0"], "random:x")


@pytest.mark.parametrize("name", sorted(TAPPED.keys() - {"clip_rn50x64"}))  # of a hub
def test_default_weights_name_their_checksum(name):
    address, _, checksum = TAPPED[name].weights.partition("#sha256=")
    assert address.startswith("https://")
    assert len(checksum) in (8, 64)
