import math

import pytest
import torch

from foregaze.training.module import log_likelihood_bits


def test_uniform_density_has_no_bits():
    uniform = torch.full((1, 4, 8), -math.log(32), dtype=torch.float64)
    bits = log_likelihood_bits(uniform, torch.ones(1, 4, 8, dtype=torch.float64))
    assert bits.item() == pytest.approx(0)


def test_twice_the_uniform_density_at_all_fixations_is_one_bit():
    density = torch.full((2, 4, 8), 0.5 / 31)
    density[:, 1, 2] = 2 / 32
    counts = torch.zeros(2, 4, 8)
    counts[:, 1, 2] = torch.tensor([1.0, 7.0])
    assert log_likelihood_bits(density.log(), counts).tolist() == pytest.approx([1.0, 1.0])


def test_fixations_of_an_image_weigh_equally():
    density = torch.tensor([[[0.5, 0.25, 0.125, 0.125]]])
    counts = torch.tensor([[[3.0, 0.0, 1.0, 0.0]]])
    expected = (3 * math.log2(0.5 * 4) + math.log2(0.125 * 4)) / 4
    assert log_likelihood_bits(density.log(), counts).item() == pytest.approx(expected)
