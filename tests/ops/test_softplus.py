import pytest
import torch
import torch.nn.functional as F

from foregaze.ops.softplus import softplus


def test_equals_pytorchs_everywhere():
    x = torch.linspace(-200, 200, 4001, dtype=torch.float64)
    exact = torch.where(x > 30, x, F.softplus(x, threshold=30))
    torch.testing.assert_close(softplus(x), exact, rtol=1e-12, atol=1e-12)


def test_equals_pytorchs_in_float32_up_to_one_rounding():
    x = torch.linspace(-40, 40, 8001)
    exact = F.softplus(x.double(), threshold=100)
    torch.testing.assert_close(softplus(x).double(), exact, rtol=1.2e-7, atol=1.2e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_values_neither_overflow_nor_turn_to_nan(dtype):
    x = torch.tensor([-torch.inf, -1e30, -1000.0, 1000.0, 1e30, torch.inf], dtype=dtype)
    assert torch.equal(softplus(x), x.clamp_min(0))


def test_gradient_is_the_sigmoid():
    values = [-800.0, -20.0, -3.0, -0.5, 0.25, 4.0, 800.0]
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    softplus(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.sigmoid(x.detach()), rtol=0, atol=1e-15)
