import json
import struct

import numpy as np
import pytest
import torch

from foregaze.errors import ConfigError, UnknownNameError, WeightsError
from foregaze.inference.deepgaze_predictor import DeepGazePredictor
from foregaze.inference.onnx_engine import OnnxEngine
from foregaze.inference.scanpath_predictor import ScanpathPredictor
from foregaze.inference.trunk_predictor import TrunkPredictor
from foregaze.inference.zoo import (
    ZOO,
    deepgaze_config,
    list_models,
    load_model,
    ready_offline,
)
from foregaze.models import MODELS
from tests.inference.toy_deepgaze import BACKBONE, picture, save_toy
from tests.inference.toy_scanpath import save_toy_scanpath


@pytest.fixture(scope="module")
def toy3(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("zoo") / "toy3.safetensors", "deepgaze3")


def test_every_deepgaze_architecture_is_a_model():
    ours = {"trunk-mixture", "scanpath-mixture"}
    assert set(MODELS) - ours <= set(list_models())
    assert list_models() == sorted(list_models())


DINOGAZE = (
    "dinogaze",
    "dinogaze-spade",
    "deepgaze-spade-static",
    "deepgaze-spade-dynamic",
    "deepgaze-spade-hybrid",
)


@pytest.mark.parametrize("name", DINOGAZE)
def test_the_dinogaze_family_is_here_to_be_trained(name):
    assert (ZOO[name].weights, ZOO[name].licence) == (None, "none published")
    assert not ready_offline(name)
    assert type(deepgaze_config(name)) is MODELS[name].Config
    message = rf"^no weights of '{name}' are published for PyTorch: give checkpoint, a file of your"
    with pytest.raises(WeightsError, match=message):
        load_model(name)


@pytest.mark.parametrize("name", DINOGAZE)
def test_a_checkpoint_of_the_dinogaze_family_loads_by_name_and_by_path(name, tmp_path):
    spade = {} if name == "dinogaze" else {"spade_hidden": 4}
    networks = (BACKBONE, BACKBONE.model_copy(update={"taps": ("1",)}))
    number = 2 if name == "deepgaze-spade-hybrid" else 1
    path = save_toy(tmp_path / "m.safetensors", name, backbones=networks[:number], **spade)
    found = [
        load_model(**given, device="cpu")
        for given in ({"name": name, "checkpoint": path}, {"name": str(path)})
    ]
    assert all(isinstance(model, DeepGazePredictor) for model in found)
    given = (
        {} if name == "dinogaze" else {"segments": np.arange(120 * 160).reshape(120, 160) // 1999}
    )
    first, second = (
        model.predict(picture(), pixels_per_degree=35.0, **given).log_density for model in found
    )
    np.testing.assert_array_equal(first, second)
    with pytest.raises(WeightsError, match=rf"is a checkpoint of '{name}', not of 'deepgaze3'$"):
        load_model("deepgaze3", checkpoint=path)


def test_published_weights_say_that_they_have_no_licence():
    for name in ("deepgaze1", "deepgaze2e", "deepgaze3", "deepgaze-msdb"):
        assert ZOO[name].licence == "not stated by its authors"


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown model 'defualt'; known: .*default"):
        load_model("defualt")


def test_a_missing_checkpoint_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match="no such weights file"):
        load_model(str(tmp_path / "none.safetensors"))


def test_an_absent_device_is_an_error(tiny_checkpoint):
    with pytest.raises(ConfigError, match="device 'nonsense' is not available"):
        load_model(str(tiny_checkpoint), device="nonsense")


def test_a_checkpoint_of_ours_loads_by_its_path_whatever_it_is(
    toy3, tiny_checkpoint, scanpath_checkpoint
):
    assert isinstance(load_model(str(toy3)), DeepGazePredictor)
    assert isinstance(load_model(str(tiny_checkpoint)), TrunkPredictor)
    assert isinstance(load_model(str(scanpath_checkpoint)), ScanpathPredictor)


def test_a_scanpath_mixture_runs_by_its_graph_on_the_cpu_and_in_pytorch_without_one(
    scanpath_checkpoint, tiny_checkpoint, tmp_path
):
    model = load_model(str(scanpath_checkpoint), device="cpu")
    assert isinstance(model.engine, OnnxEngine)
    bare = save_toy_scanpath(tmp_path / "bare.safetensors", tiny_checkpoint)
    other = load_model(str(bare), device="cpu")
    assert other.engine is other.model
    first, second = (m.predict(picture()).log_density for m in (model, other))
    assert np.abs(first - second).max() < 1e-4
    assert model.card == {"dataset": "osie", "images": ["1001.jpg"]}


def test_a_scanpath_mixture_has_one_precision_and_is_not_mirrored(scanpath_checkpoint):
    with pytest.raises(ConfigError, match=r"is not averaged over mirror images$"):
        load_model(str(scanpath_checkpoint), mirrored=True)
    with pytest.raises(ConfigError, match=r"are for DeepGaze models, not for '"):
        load_model(str(scanpath_checkpoint), precision="float16")
    load_model(str(scanpath_checkpoint), mirrored=False)


def test_a_checkpoint_of_ours_loads_as_its_architecture(toy3):
    named = load_model("deepgaze3", checkpoint=toy3, device="cpu")
    by_path = load_model(str(toy3), device="cpu")
    image = picture()
    expected = by_path.predict(image, pixels_per_degree=35.0).log_density
    np.testing.assert_array_equal(
        named.predict(image, pixels_per_degree=35.0).log_density, expected
    )


def test_a_checkpoint_of_another_architecture_is_an_error(toy3, tiny_checkpoint):
    with pytest.raises(WeightsError, match=r"is a checkpoint of 'deepgaze3', not of 'deepgaze1'$"):
        load_model("deepgaze1", checkpoint=toy3)
    with pytest.raises(WeightsError, match=r"checkpoint of 'trunk-mixture', not of 'deepgaze3'$"):
        load_model("deepgaze3", checkpoint=tiny_checkpoint)
    with pytest.raises(WeightsError, match=r"another architecture than 'default'; give its path"):
        load_model("default", checkpoint=toy3)


def test_a_path_and_a_checkpoint_are_one_too_many(toy3, tiny_checkpoint):
    for path in (toy3, tiny_checkpoint):
        with pytest.raises(WeightsError, match="is a checkpoint itself; give one of the two"):
            load_model(str(path), checkpoint=toy3)


@pytest.mark.parametrize("name", ["deepgaze3", "default"])
def test_an_unknown_precision_lists_the_known_ones(name):
    with pytest.raises(
        UnknownNameError, match=r"unknown precision 'half'; known: bfloat16, float16, float32$"
    ):
        load_model(name, precision="half")


@pytest.mark.parametrize("option", [{"precision": "bfloat16"}, {"compiled": True}])
def test_our_own_models_have_one_precision_and_are_not_compiled(option):
    with pytest.raises(ConfigError, match=r"are for DeepGaze models, not for 'default'$"):
        load_model("default", **option)


def test_deepgaze_models_are_not_mirrored(toy3):
    with pytest.raises(ConfigError, match=r"is not averaged over mirror images$"):
        load_model(str(toy3), mirrored=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no foregaze checkpoint"),
        (b"text", "is no foregaze checkpoint"),
        (struct.pack("<Q", 2) + b"{}", "is a safetensors file, but no foregaze checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_an_error(tmp_path, content, message):
    path = tmp_path / "none.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load_model(str(path))
    with pytest.raises(WeightsError, match=message):
        load_model("deepgaze3", checkpoint=path)


def test_a_truncated_checkpoint_is_an_error(toy3, tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(toy3.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="is no foregaze checkpoint"):
        load_model(str(path))


def test_a_checkpoint_with_a_tensor_of_another_shape_names_both(toy3, tmp_path):
    content = toy3.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    key = next(k for k, entry in header.items() if len(entry.get("shape", ())) == 2)
    first, second = header[key]["shape"]
    header[key]["shape"] = [second, first] if first != second else [first * second, 1]
    changed = json.dumps(header).encode()
    path = tmp_path / "other.safetensors"
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + length :])
    with pytest.raises(
        WeightsError, match=rf"{key} has shape \(.*\), expected \({first}, {second}\)"
    ):
        load_model(str(path))


def test_weights_are_ready_for_inference_and_not_for_training(toy3):
    model = load_model(str(toy3), device="cpu").model
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(module.training for module in model.modules())
    assert all(p.device == torch.device("cpu") for p in model.parameters())
