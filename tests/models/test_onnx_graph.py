import numpy as np
import onnx
import pytest
import torch

from foregaze.errors import WeightsError
from foregaze.inference.onnx_engine import OnnxEngine
from foregaze.models.checkpoint import load_checkpoint
from foregaze.models.onnx_graph import FEATURES, LOG_DENSITY, export_graph, split_graph
from foregaze.models.trunk_mixture import (
    BranchConfig,
    TrunkMixture,
    TrunkMixtureConfig,
    grid_size,
)


@pytest.fixture(scope="module")
def model():
    branches = (BranchConfig(tuned_from=7), BranchConfig(tuned_from=5))
    torch.manual_seed(0)
    return TrunkMixture(
        TrunkMixtureConfig(
            backbone="tf_efficientnet_lite0",
            backbone_weights="random:0",
            input_size=(64, 96),
            branches=branches,
        )
    ).eval()


@pytest.fixture(scope="module")
def graph(model):
    return export_graph(model)


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (32, 224)])
def test_graph_equals_pytorch_at_every_working_size(model, graph, size):
    generator = torch.Generator().manual_seed(2)
    pixels = torch.rand(1, 3, *size, generator=generator) * 255
    centerbias = torch.randn(1, *grid_size(model.config, size), generator=generator)
    engine = OnnxEngine(graph, model.state_dict())
    with torch.inference_mode():
        expected = model(pixels, centerbias)
    difference = np.abs(engine(pixels, centerbias).numpy() - expected.numpy()).max()
    assert difference < 2e-5


def test_graph_holds_no_weights(model, graph):
    values = sum(tensor.numel() for tensor in model.state_dict().values())
    assert len(graph) < values / 50


def test_a_damaged_graph_says_so(model, graph):
    with pytest.raises(WeightsError, match="ONNX graph cannot be used"):
        OnnxEngine(graph[:100], model.state_dict())


def test_tensors_of_another_model_do_not_fit(model, graph):
    tensors = dict(model.state_dict())
    tensors["branches.0.conv2.weight"] = torch.zeros(2, 2)
    with pytest.raises(WeightsError, match="ONNX graph cannot be used"):
        OnnxEngine(graph, tensors)


def test_the_graph_of_a_scanpath_mixture_gives_what_its_networks_see(scanpath_checkpoint):
    scanpaths = load_checkpoint(scanpath_checkpoint).model
    names, compressed = split_graph(export_graph(scanpaths))
    graph = onnx.load_from_string(compressed).graph
    assert [output.name for output in graph.output] == [LOG_DENSITY, FEATURES]
    assert set(names) <= set(scanpaths.state_dict())
    assert not [name for name in names if not name.startswith("spatial.")]


def test_the_graph_of_a_spatial_model_gives_its_density(graph):
    _, compressed = split_graph(graph)
    (output,) = onnx.load_from_string(compressed).graph.output
    assert output.name == LOG_DENSITY


def test_exporting_leaves_the_model_as_it_was(model):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    export_graph(model)
    assert not any(type(module).__name__ == "_HalvingConv2d" for module in model.modules())
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
