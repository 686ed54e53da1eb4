"""The same network in fewer passes over memory, for inference.

Convolutional networks spend much of a CPU's time on moving activations. Three changes of a traced
network save moves, each exact but for the rounding of float32:

- A batch norm that follows a convolution is folded into its weights.
- Channels that are concatenated again and again, as in a DenseNet's blocks, are written once, next
  to each other.
- Activations and sums overwrite an input that nothing else reads.

The layout is PyTorch's "channels last", which its CPU convolutions prefer.
"""

import copy
import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

_IN_PLACE = {nn.ReLU: functional.relu, nn.SiLU: functional.silu}


def fuse(network: fx.GraphModule) -> fx.GraphModule:
    """A copy of a traced network in evaluation mode that shares nothing with it."""
    network = copy.deepcopy(network)
    _fold_batch_norms(network)
    _grow_in_one_buffer(network)
    _scale_and_shift(network)
    _overwrite_inputs(network)
    network.delete_all_unused_submodules()
    network.graph.lint()
    network.recompile()
    return network.requires_grad_(False).eval().to(memory_format=torch.channels_last)


class AffineReLU(nn.Module):
    """A batch norm's fixed statistics as one scale and one shift per channel, then a ReLU."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        self.register_buffer("scale", scale.detach()[:, None, None])
        self.register_buffer("shift", shift.detach()[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Activation of a tensor (B, C, h, w), which stays as it is."""
        return torch.addcmul(self.shift, x, self.scale).relu_()


def _fold_batch_norms(network: fx.GraphModule) -> None:
    for convolution, norm in _module_pairs(network, nn.Conv2d, nn.BatchNorm2d):
        folded = fuse_conv_bn_eval(_module(network, convolution), _module(network, norm))
        _merge(network, convolution, norm, folded)


def _scale_and_shift(network: fx.GraphModule) -> None:
    for norm, relu in _module_pairs(network, nn.BatchNorm2d, nn.ReLU):
        _merge(network, norm, relu, AffineReLU(_module(network, norm)))


def _grow_in_one_buffer(network: fx.GraphModule) -> None:
    """Let concatenations that each add one piece to the one before share their memory."""
    graph = network.graph
    chains: dict[fx.Node, list[fx.Node]] = {}
    for node in graph.find_nodes(op="call_function", target=torch.cat):
        chains.setdefault(node.args[0][0], []).append(node)
    for first, chain in chains.items():
        pieces: Any = chain[-1].args[0]
        if [node.args[0] for node in chain] != [pieces[: n + 1] for n in range(len(pieces))]:
            continue
        added = sum(_module(network, piece).out_channels for piece in pieces[1:])
        with graph.inserting_before(chain[0]):
            buffer = graph.call_function(_start_buffer, (first, added))
        before = None
        for node, piece in zip(chain, pieces, strict=True):
            with graph.inserting_before(node):
                before = graph.call_function(_grow, (buffer, before, piece))
            node.replace_all_uses_with(before)
            graph.erase_node(node)


def _start_buffer(first: Tensor, added_channels: int) -> Tensor:
    b, c, h, w = first.shape
    size = (b, c + added_channels, h, w)
    return torch.empty(
        size, dtype=first.dtype, device=first.device, memory_format=torch.channels_last
    )


def _grow(buffer: Tensor, before: Tensor | None, piece: Tensor) -> Tensor:
    """Write a piece behind what is there; the channels written so far."""
    start = 0 if before is None else before.shape[1]
    end = start + piece.shape[1]
    buffer[:, start:end] = piece
    return buffer[:, :end]


def _overwrite_inputs(network: fx.GraphModule) -> None:
    """Work in place wherever the input is memory of its own that nothing else reads."""
    for node in network.graph.nodes:
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or len(before.users) > 1:
            continue
        if before.target not in (operator.add, operator.iadd) and not isinstance(
            _module(network, before), nn.Conv2d | nn.BatchNorm2d
        ):
            continue
        in_place = _IN_PLACE.get(type(_module(network, node)))
        if in_place:  # for this call alone: a layer may be called in several places
            node.op, node.target, node.kwargs = "call_function", in_place, {"inplace": True}
        elif node.target is operator.add:
            node.target = operator.iadd


def _module_pairs(
    network: fx.GraphModule, first: type[nn.Module], second: type[nn.Module]
) -> list[tuple[fx.Node, fx.Node]]:
    """Layers of one kind whose output is read by nothing but a layer of another kind."""
    return [
        (node.args[0], node)
        for node in network.graph.find_nodes(op="call_module")
        if isinstance(_module(network, node), second)
        and isinstance(_module(network, node.args[0]), first)
        and len(node.args[0].users) == 1
    ]


def _module(network: fx.GraphModule, node: fx.Node) -> Any:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def _merge(network: fx.GraphModule, node: fx.Node, after: fx.Node, merged: nn.Module) -> None:
    """Let one layer do the work of two that follow each other."""
    network.set_submodule(str(node.target), merged)
    after.replace_all_uses_with(node)
    network.graph.erase_node(after)
