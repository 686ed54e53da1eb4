"""A model's `forward` as an ONNX graph without weights.

The graph names tensors of the model's state dict as external data, so that it costs a few
kilobytes beside the weights themselves, which whoever runs it hands over by name.
"""

import io
import json
import warnings
import zlib
from typing import TYPE_CHECKING

import torch

from foregaze.models.trunk_mixture import TrunkMixture, grid_size

if TYPE_CHECKING:
    import onnx

OPSET = 18
INPUTS = ("pixels", "centerbias")
OUTPUT = "log_density"


def export_graph(model: TrunkMixture) -> bytes:
    """The compressed graph of a model on the CPU, for one image of any working size.

    Inputs are `pixels` (1, 3, H, W) and `centerbias` (1, h, w), the output `log_density` (1, h, w).
    """
    import onnx  # only exporting needs it, and importing it takes a while

    height, width = model.config.input_size
    pixels = torch.zeros(1, 3, height, width)
    centerbias = torch.zeros(1, *grid_size(model.config, (height, width)))
    grid = {1: "h", 2: "w"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracer doubts Python numbers that are constant here, and announces its successor,
        # which does not yet keep the sizes of this model's padding free.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (pixels, centerbias),
            buffer,  # type: ignore[arg-type]  # files in memory are accepted
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={"pixels": {2: "H", 3: "W"}, "centerbias": grid, OUTPUT: grid},
            opset_version=OPSET,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            dynamo=False,
        )
    graph = onnx.load_from_string(buffer.getvalue())
    names = _without_weights(graph, model)
    return zlib.compress(json.dumps(names).encode() + b"\n" + graph.SerializeToString(), 9)


def split_graph(compressed: bytes) -> tuple[list[str], bytes]:
    """Names of the tensors that a graph needs, and the graph itself.

    The names are fewer than the model's: the exporter keeps one of several equal tensors, such as
    the batch norm statistics that a tuned stage shares with its frozen original.
    """
    names, graph = zlib.decompress(compressed).split(b"\n", 1)
    return json.loads(names), graph


def _without_weights(graph: "onnx.ModelProto", model: TrunkMixture) -> list[str]:
    """Replace the model's tensors by references to their names, in place; those names."""
    names = model.state_dict().keys()
    replaced = []
    for tensor in graph.graph.initializer:
        if tensor.name in names:
            replaced.append(tensor.name)
            name, kind, shape = tensor.name, tensor.data_type, list(tensor.dims)
            tensor.Clear()
            tensor.name, tensor.data_type = name, kind
            tensor.dims.extend(shape)
            tensor.data_location = tensor.EXTERNAL
            location = tensor.external_data.add()
            location.key, location.value = "location", "state_dict"
    return replaced
