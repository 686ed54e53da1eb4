"""Networks traced once (`torch.fx`) and cut behind some of their layers."""

import operator
from collections.abc import Sequence

from torch import Tensor, fx, nn

from foregaze.errors import UnknownNameError

Traced = Tensor | fx.Proxy
"""What a forward computes with: tensors, or their stand-ins while it is traced."""


def cut_traced(network: nn.Module, layers: Sequence[str]) -> nn.Module:
    """The part of a network that some of its layers need, returning the list of their outputs.

    Activations and sums are no longer in place, so that they leave the outputs alone.

    Raises:
        UnknownNameError: If the network has no such layer.
    """
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.SiLU | nn.Dropout):
            module.inplace = False
    graph = _Tracer().trace(network.eval())
    outputs = {str(node.target): node for node in graph.find_nodes(op="call_module")}
    for layer in layers:
        if layer not in outputs:
            raise UnknownNameError("layer", layer, outputs)
    (output,) = graph.find_nodes(op="output")
    output.args = ([outputs[layer] for layer in layers],)
    for node in graph.find_nodes(op="call_function", target=operator.iadd):
        node.target = operator.add
    part = fx.GraphModule(network, graph)
    part.graph.eliminate_dead_code()
    part.delete_all_unused_submodules()
    part.recompile()
    return part


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)
