import numpy as np
import torch
from PIL import Image

from foregaze.ops.preprocess import to_working_size
from tests.inference.toy_deepgaze import picture


def test_working_pixels_are_whole_gray_values_in_order():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:, 2:, 0] = 200
    pixels = to_working_size(image, (2, 2))
    assert pixels.shape == (3, 2, 2)
    assert torch.equal(pixels, pixels.round())
    assert pixels[0, 0, 1] > pixels[0, 0, 0]
    assert pixels[1:].abs().max() == 0


def test_resizing_is_pillows_to_a_gray_value():
    image = picture(75, 101)
    expected = np.array(Image.fromarray(image).resize((96, 64), Image.Resampling.BILINEAR))
    found = to_working_size(image, (64, 96)).permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1
