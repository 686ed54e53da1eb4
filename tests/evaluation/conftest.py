from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from foregaze.types import EyeTrackingDataset, Fixations, Stimuli

SIZE = (30, 40)

MakeDataset = Callable[..., EyeTrackingDataset]


def make_dataset(
    lengths: Sequence[int] = (4, 7, 3, 5), observers: int = 3, *, starts_at_center: bool = True
) -> EyeTrackingDataset:
    """Image i with `observers` scanpaths of `lengths[i]` fixations near (26, 11), not centered."""
    rng = np.random.default_rng(11)
    rows = [
        (image, observer, order)
        for image, length in enumerate(lengths)
        for observer in range(observers)
        for order in range(length)
    ]
    image, observer, order = np.array(rows, dtype=np.int64).T
    scatter = rng.normal(size=(2, len(rows))) * 4
    target = np.array([[26.0, 11.0], [9.0, 20.0], [30.0, 22.0], [16.0, 8.0]])[image % 4].T
    return EyeTrackingDataset(
        name="toy",
        stimuli=Stimuli(
            tuple(Path(f"{i}.png") for i in range(len(lengths))),
            (SIZE,) * len(lengths),
            lambda path: np.zeros((*SIZE, 3), np.uint8),
        ),
        fixations=Fixations(
            image=image,
            observer=observer,
            order=order,
            x=np.clip(target[0] + scatter[0], 0, SIZE[1] - 0.01),
            y=np.clip(target[1] + scatter[1], 0, SIZE[0] - 0.01),
            duration_ms=np.full(len(rows), 250.0),
        ),
        starts_at_center=starts_at_center,
        px_per_dva=None,
        dropped_fixations=2,
    )


def dataset_of_points(
    points: Sequence[np.ndarray], size: tuple[int, int], observers: int = 3
) -> EyeTrackingDataset:
    """Image i with the fixations (x, y) of `points[i]`, dealt out to observers in turn."""
    counts = [len(p) for p in points]
    within = np.concatenate([np.arange(count) for count in counts])
    x, y = np.concatenate(points).astype(np.float64).T
    return EyeTrackingDataset(
        name="points",
        stimuli=Stimuli(
            tuple(Path(f"{i}.png") for i in range(len(points))),
            (size,) * len(points),
            lambda path: np.zeros((*size, 3), np.uint8),
        ),
        fixations=Fixations(
            image=np.repeat(np.arange(len(points)), counts),
            observer=within % observers,
            order=within // observers,
            x=x,
            y=y,
            duration_ms=np.full(len(x), np.nan),
        ),
        starts_at_center=False,
        px_per_dva=None,
    )


@pytest.fixture
def toy_dataset() -> MakeDataset:
    return make_dataset
