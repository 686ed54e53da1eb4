"""What fusing changes in small networks; the published ones are compared in test_tapped.py."""

import operator

import torch
from torch import Tensor, fx, nn

from foregaze.backbones.fusing import AffineReLU, fuse


def random_norm(channels: int) -> nn.BatchNorm2d:
    generator = torch.Generator().manual_seed(channels)
    norm = nn.BatchNorm2d(channels).double().eval().requires_grad_(False)
    for x in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        x.uniform_(0.5, 1.5, generator=generator)
    return norm


class Dense(nn.Module):
    """Two layers that each see everything before them, as in a DenseNet."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norms = nn.ModuleList(random_norm(c) for c in (4, 6))
        self.relu = nn.ReLU()
        self.convolutions = nn.ModuleList(nn.Conv2d(c, 2, 1) for c in (4, 6))
        self.last = random_norm(2)

    def forward(self, x):
        pieces = [self.first(x)]
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            pieces.append(convolution(self.relu(norm(torch.cat(pieces, 1)))))
        return [torch.cat(pieces, 1), self.relu(self.last(pieces[-1]) + 1)]


def traced() -> fx.GraphModule:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return fx.symbolic_trace(Dense().double().eval().requires_grad_(False))


def image() -> Tensor:
    return torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_a_fused_network_computes_the_same():
    network = traced()
    for found, expected in zip(fuse(network)(image()), network(image()), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_the_original_is_left_alone():
    network = traced()
    before = {key: x.clone() for key, x in network.state_dict().items()}
    code = network.code
    fuse(network)(image())
    assert network.code == code
    assert all(torch.equal(x, before[key]) for key, x in network.state_dict().items())


def test_pieces_are_written_once_instead_of_concatenated_again():
    fused = fuse(traced())
    functions = [
        node.target for node in fused.graph.find_nodes(op="call_function", target=torch.cat)
    ]
    assert functions == []
    # a norm that reads what the concatenation also returns must not overwrite it
    assert any(isinstance(module, AffineReLU) for module in fused.modules())
    sums = [n.target for n in fused.graph.nodes if n.target in (operator.add, operator.iadd)]
    assert sums == [operator.iadd]


def test_an_affine_relu_is_the_norm_and_the_relu():
    norm = random_norm(3)
    x = image()
    before = x.clone()
    torch.testing.assert_close(AffineReLU(norm)(x), norm(x).relu(), rtol=0, atol=1e-14)
    assert torch.equal(x, before)
