import torch
import torch.nn.functional as F

from foregaze.ops.softplus import softplus


def test_equals_pytorchs_everywhere():
    x = torch.linspace(-200, 200, 4001, dtype=torch.float64)
    exact = torch.where(x > 30, x, F.softplus(x, threshold=30))
    torch.testing.assert_close(softplus(x), exact, rtol=1e-12, atol=1e-12)


def test_gradient_is_the_sigmoid():
    x = torch.tensor([-3.0, -0.5, 0.25, 4.0], dtype=torch.float64, requires_grad=True)
    softplus(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.sigmoid(x.detach()))
