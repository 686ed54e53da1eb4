import json
from dataclasses import dataclass
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter


@dataclass
class Image:
    """One image of the golden file, remade as its origin says."""

    saliency_map: np.ndarray
    log_density: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Golden:
    """pysaliency's values, and the maps and fixations that they are of."""

    sizes = ((24, 32), (30, 30), (20, 40))

    def __init__(self) -> None:
        path = Path(__file__).parents[1] / "golden" / "metrics.json"
        self.values = json.loads(path.read_text())
        self.image = np.array(self.values["n"])
        self.x = np.array(self.values["x"])
        self.y = np.array(self.values["y"])

    def images(self) -> list[Image]:
        images = []
        for i, size in enumerate(self.sizes):
            smooth = gaussian_filter(np.random.RandomState(10 + i).rand(*size), 2)
            here = self.image == i
            images.append(
                Image(
                    saliency_map=smooth,
                    log_density=np.log(smooth**8 / (smooth**8).sum()),
                    x=self.x[here].astype(np.int64),
                    y=self.y[here].astype(np.int64),
                )
            )
        return images


@pytest.fixture
def golden() -> Golden:
    return Golden()


@pytest.fixture
def no_shape_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are not checked, as where no test runs."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
