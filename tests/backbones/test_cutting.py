"""Cutting small networks; the published ones are cut in test_tapped.py."""

import pytest
import torch
from torch import Tensor, nn

from foregaze.backbones.cutting import cut_traced
from foregaze.errors import UnknownNameError


class Residual(nn.Module):
    """Sums and activations in place, as in torchvision's networks."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(3, 3, 1)
        self.last = nn.Linear(3, 2)

    def forward(self, x):
        x = self.relu(self.first(x))
        y = self.second(x)
        y += x
        return self.last(self.relu(y).mean((2, 3)))


def image() -> Tensor:
    return torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def test_outputs_are_those_at_the_time_the_layer_returned():
    network = Residual()
    first, second = network.first(image()), network.second(network.first(image()).relu())
    outputs = cut_traced(network, ["second", "last", "first"])(image())
    assert torch.equal(outputs[0], second)
    assert torch.equal(outputs[2], first)
    assert torch.equal(outputs[1], network(image()))


def test_what_lies_behind_the_last_layer_is_gone():
    part = cut_traced(Residual(), ["first"])
    assert set(part.state_dict()) == {"first.weight", "first.bias"}
    assert [node.target for node in part.graph.nodes][1:-1] == ["first"]


def test_unknown_layers_are_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown layer 'third'; known: first, last, relu"):
        cut_traced(Residual(), ["third"])
