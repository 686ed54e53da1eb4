"""A model's `forward` as an ONNX graph without weights.

The graph names tensors of the model's state dict as external data, so that it costs a few
kilobytes beside the weights themselves, which whoever runs it hands over by name.
"""

import copy
import io
import json
import warnings
import zlib
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from foregaze.models.scanpath_mixture import ScanpathMixture
from foregaze.models.trunk_mixture import TrunkMixture, grid_size

if TYPE_CHECKING:
    import onnx

OPSET = 18
INPUTS = ("pixels", "centerbias")
LOG_DENSITY, FEATURES = "log_density", "features"


def export_graph(model: TrunkMixture | ScanpathMixture) -> bytes:
    """The compressed graph of a model on the CPU, for one image of any working size.

    Inputs are `pixels` (1, 3, H, W) and `centerbias` (1, h, w), the output `log_density` (1, h, w);
    of a scanpath mixture also the `features` (1, C, f, g) that it sees.
    """
    import onnx  # only exporting needs it, and importing it takes a while

    spatial = model.spatial if isinstance(model, ScanpathMixture) else model
    height, width = spatial.config.input_size
    pixels = torch.zeros(1, 3, height, width)
    centerbias = torch.zeros(1, *grid_size(spatial.config, (height, width)))
    grid = {1: "h", 2: "w"}
    axes = {"pixels": {2: "H", 3: "W"}, "centerbias": grid, LOG_DENSITY: grid}
    if isinstance(model, ScanpathMixture):
        axes[FEATURES] = {2: "f", 3: "g"}
    traced, paddings = _without_padding_steps(model)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracer doubts Python numbers that are constant here, and announces its successor,
        # which does not yet keep the sizes of this model's padding free.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            traced,
            (pixels, centerbias),
            buffer,  # type: ignore[arg-type]  # files in memory are accepted
            input_names=list(INPUTS),
            output_names=[name for name in (LOG_DENSITY, FEATURES) if name in axes],
            dynamic_axes=axes,
            opset_version=OPSET,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            dynamo=False,
        )
    graph = onnx.load_from_string(buffer.getvalue())
    _merge_padding(graph, paddings)
    names = _without_weights(graph, model)
    return zlib.compress(json.dumps(names).encode() + b"\n" + graph.SerializeToString(), 9)


class _HalvingConv2d(nn.Conv2d):
    """A convolution of stride 2 whose padding is `_merge_padding`'s to set.

    The padding here is symmetric, which gives the right shape for even sides but shifts the image.
    """

    def __init__(self, conv: Conv2dSame) -> None:
        nn.Module.__init__(self)
        self.weight, self.bias = conv.weight, conv.bias
        self.dilation, self.groups = conv.dilation, conv.groups
        self.padding = tuple(_same_padding(conv)[2:])

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight, self.bias, 2, self.padding, self.dilation, self.groups)


def _same_padding(conv: nn.Conv2d) -> list[int]:
    """TensorFlow's "same" padding at stride 2 and even sides: top, left, bottom, right.

    All grids of a working size are even down to the last stride, so it is a constant, which the
    ONNX operator takes as it is; PyTorch's would pad in a step of its own.
    """
    totals = [d * (k - 1) - 1 for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


def _without_padding_steps(
    model: TrunkMixture | ScanpathMixture,
) -> tuple[nn.Module, dict[str, list[int]]]:
    """A copy of a model with the same tensor names, and the padding that some weights want."""
    model = copy.deepcopy(model)
    paddings = {}
    for path, module in list(model.named_modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Conv2dSame) and child.stride == (2, 2):
                paddings[f"{path}.{name}.weight"] = _same_padding(child)
                setattr(module, name, _HalvingConv2d(child))
    return model, paddings


def _merge_padding(graph: "onnx.ModelProto", paddings: dict[str, list[int]]) -> None:
    """Set the padding of the convolutions that have these weights, in place."""
    for node in graph.graph.node:
        if node.op_type == "Conv" and node.input[1] in paddings:
            (pads,) = (attribute for attribute in node.attribute if attribute.name == "pads")
            pads.ints[:] = paddings[node.input[1]]


def split_graph(compressed: bytes) -> tuple[list[str], bytes]:
    """Names of the tensors that a graph needs, and the graph itself.

    The names are fewer than the model's: the exporter keeps one of several equal tensors, such as
    the batch norm statistics that a tuned stage shares with its frozen original.
    """
    names, graph = zlib.decompress(compressed).split(b"\n", 1)
    return json.loads(names), graph


def _without_weights(graph: "onnx.ModelProto", model: nn.Module) -> list[str]:
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
