import numpy as np

from foregaze.inference.conditional import Unconditional
from foregaze.inference.prediction import Prediction
from tests.inference.toy_deepgaze import density_of

HISTORY = np.array([[3.0, 4.0]])


def test_one_density_is_predicted_whatever_came_before():
    prediction = Prediction(density_of(20, 30).astype(np.float32))
    conditional = Unconditional(prediction)
    assert conditional(HISTORY) is conditional(np.empty((0, 2))) is prediction


def test_its_scanpaths_are_independent_samples():
    prediction = Prediction(density_of(20, 30).astype(np.float32))
    found = Unconditional(prediction).sample(HISTORY, 3, 4, 5)
    np.testing.assert_array_equal(found, prediction.sample(12, 5).reshape(3, 4, 2))
