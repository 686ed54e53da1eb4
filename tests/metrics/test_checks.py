import numpy as np
import pytest

from foregaze.errors import ShapeError
from foregaze.metrics.checks import ConstantMapError, refuse_constant, values_at


def test_values_are_read_at_row_y_and_column_x():
    values = np.arange(12.0).reshape(3, 4)
    assert values_at(values, x=np.array([3, 0]), y=np.array([0, 2])).tolist() == [3.0, 8.0]


def test_message_counts_the_fixations_outside():
    with pytest.raises(ShapeError, match="2 of 3 fixations lie outside the 3x4 map"):
        values_at(np.zeros((3, 4)), np.array([0, 4, 0]), np.array([0, 0, -1]))


def test_map_that_varies_by_a_thousandth_of_a_nat_is_not_constant():
    log_density = np.full((600, 800), -13.08, dtype=np.float32)
    log_density[0, 0] += 1e-3
    refuse_constant(log_density, "NSS")
    with pytest.raises(ConstantMapError, match=r"log density -13\.08"):
        refuse_constant(log_density[1:], "NSS")
