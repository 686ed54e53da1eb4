import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from foregaze.ops.blur import gaussian_blur


def picture(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 1, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("sigma", "radius"), [(0.7, 3), (2.3, 10), (4.0, 5)])
def test_blur_against_scipy(sigma, radius):
    x = picture(13, 21)
    blurred = gaussian_blur(x, torch.tensor(sigma, dtype=torch.float64), radius)
    for before, after in zip(x[:, 0].numpy(), blurred[:, 0].numpy(), strict=True):
        expected = gaussian_filter(before, sigma, mode="nearest", radius=radius)
        np.testing.assert_allclose(after, expected, rtol=0, atol=1e-14)


def test_a_kernel_larger_than_the_picture_still_matches_scipy():
    x = picture(3, 4)
    blurred = gaussian_blur(x[:1], torch.tensor(5.0, dtype=torch.float64), radius=20)
    expected = gaussian_filter(x[0, 0].numpy(), 5.0, mode="nearest", radius=20)
    np.testing.assert_allclose(blurred[0, 0].numpy(), expected, rtol=0, atol=1e-14)


def test_a_constant_stays_as_it_is():
    x = torch.full((1, 1, 6, 9), 2.5, dtype=torch.float64)
    blurred = gaussian_blur(x, torch.tensor(1.7, dtype=torch.float64), radius=7)
    torch.testing.assert_close(blurred, x, rtol=0, atol=1e-15)


def test_the_gradient_to_sigma_is_that_of_finite_differences():
    sigma = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    weights = picture(8, 8)

    def loss(s: torch.Tensor) -> torch.Tensor:
        return (gaussian_blur(picture(8, 8), s, radius=6) * weights).sum()

    loss(sigma).backward()
    step = 1e-6
    with torch.no_grad():
        expected = (loss(sigma + step) - loss(sigma - step)) / (2 * step)
    assert sigma.grad is not None
    assert abs(expected.item()) > 0.1
    assert sigma.grad.item() == pytest.approx(expected.item(), rel=1e-6)
