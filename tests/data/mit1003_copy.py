"""Writes small data sets in the layout that MIT1003 is published in."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from foregaze.data.mit1003 import OBSERVERS
from tests.data.test_mit1003_detection import gaze

SIZE = (768, 1024)


def save_gaze(path: Path, samples: np.ndarray) -> None:
    """One trial: a variable called after the image, cut to MATLAB's 63 letters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    trial = {"imgName": f"{path.stem}.jpeg", "DATA": {"eyeData": samples, "sampleRate": 240.0}}
    name = path.stem if path.stem[0].isalpha() else f"i{path.stem}"
    scipy.io.savemat(path, {name[:63]: trial}, long_field_names=True)


def trial(observer: int) -> np.ndarray:
    """Three fixations, the first at the center; 55, 71 and 96 samples long."""
    return gaze((512.0, 384.0, 60), (100.0 + observer, 200.0, 80), (700.0, 500.0 + observer, 100))


def write_mit1003(root: Path, names: Sequence[str] = ("i10.jpeg", "i9.jpeg")) -> Path:
    """A small copy of MIT1003's published layout: 15 observers."""
    (root / "ALLSTIMULI").mkdir(parents=True)
    for name in names:
        Image.new("RGB", SIZE[::-1]).save(root / "ALLSTIMULI" / name)
        for number, observer in enumerate(OBSERVERS):
            save_gaze(root / "DATA" / observer / f"{Path(name).stem}.mat", trial(number))
    return root
