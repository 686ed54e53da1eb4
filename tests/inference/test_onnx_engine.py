import numpy as np
import pytest
import torch

from foregaze.errors import WeightsError
from foregaze.inference.onnx_engine import OnnxEngine
from foregaze.models.checkpoint import load_checkpoint
from foregaze.models.onnx_graph import export_graph


@pytest.fixture(scope="module")
def loaded(scanpath_checkpoint):
    return load_checkpoint(scanpath_checkpoint)


@pytest.fixture(scope="module")
def engine(loaded):
    return OnnxEngine(loaded.graph, loaded.model.state_dict())


def inputs(size=(96, 128)):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 3, *size, generator=generator) * 255
    return pixels, torch.randn(1, size[0] // 4, size[1] // 4, generator=generator)


@pytest.mark.parametrize("size", [(96, 128), (128, 96), (64, 160)])
@torch.inference_mode()
def test_both_outputs_of_a_scanpath_mixture_agree_with_pytorch(loaded, engine, size):
    found, expected = engine.outputs(*inputs(size)), loaded.model(*inputs(size))
    assert len(found) == len(expected) == 2
    for output, wanted in zip(found, expected, strict=True):
        assert output.shape == wanted.shape
        assert (output - wanted).abs().max() < 1e-5 * max(1, wanted.abs().max())
        assert wanted.std() > 0.05


def test_a_call_gives_the_log_density_alone(engine):
    np.testing.assert_array_equal(engine(*inputs()), engine.outputs(*inputs())[0])


def test_a_spatial_model_has_one_output(loaded):
    spatial = loaded.model.spatial
    engine = OnnxEngine(export_graph(spatial), spatial.state_dict())
    (log_density,) = engine.outputs(*inputs())
    with torch.inference_mode():
        assert (log_density - spatial(*inputs())).abs().max() < 1e-5


def test_tensors_that_the_graph_names_have_to_be_there(loaded):
    tensors = {k: v for k, v in loaded.model.state_dict().items() if not k.startswith("spatial.")}
    with pytest.raises(WeightsError, match="the checkpoint's ONNX graph cannot be used"):
        OnnxEngine(loaded.graph, tensors)


def test_other_weights_give_other_densities(loaded, engine):
    changed = {
        key: value + 0.1 if key.endswith("conv2.weight") else value
        for key, value in loaded.model.state_dict().items()
    }
    other = OnnxEngine(loaded.graph, changed)
    assert (other(*inputs()) - engine(*inputs())).abs().max() > 1e-3
