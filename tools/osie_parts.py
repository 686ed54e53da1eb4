"""Parts of OSIE that are scored: which images, by which model, and what its training images say.

What the tools share that score models on images which those were not trained on.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from foregaze.data.folds import assign_folds, without_pictures
from foregaze.evaluation.plain_durations import PlainDurations, fit_durations
from foregaze.evaluation.saccade_prior import SaccadePrior, fit_saccade_prior
from foregaze.types import EyeTrackingDataset

ROOT = Path(__file__).parents[1]
FOLDS = 5
SPLIT = "split"
"""Name of the part of the literature's test images."""
SPLIT_NAMES = ROOT / "configs" / "osie-literature-split.txt"


@dataclass(frozen=True, eq=False)
class Part:
    """Images that are scored together."""

    name: str
    dataset: EyeTrackingDataset
    test: list[int]
    training: list[int]
    """Images that its models were fitted to; none shows a test image's picture."""

    @cached_property
    def prior(self) -> SaccadePrior:
        """Center bias, saccade lengths and first fixations of the training images."""
        return fit_saccade_prior(self.dataset.subset(self.training))

    @cached_property
    def durations(self) -> PlainDurations:
        """Durations and viewing times of the training images."""
        return fit_durations(self.dataset.subset(self.training))

    def images_key(self) -> str:
        """Differs where the test or training images do."""
        names = self.dataset.stimuli.names
        listed = [[names[i] for i in images] for images in (self.test, self.training)]
        return hashlib.sha256(repr(listed).encode()).hexdigest()


def fold_parts(dataset: EyeTrackingDataset) -> list[Part]:
    """The folds of the recipes; together they test every image."""
    fold = assign_folds(dataset, FOLDS).tolist()
    numbers = range(len(dataset))
    return [
        Part(
            f"fold-{k}",
            dataset,
            [i for i in numbers if fold[i] == k],
            [i for i in numbers if fold[i] != k],
        )
        for k in range(FOLDS)
    ]


def split_part(dataset: EyeTrackingDataset) -> Part:
    """The test images of scanpath papers that are here, and all others."""
    listed = set(SPLIT_NAMES.read_text().split())
    test = [i for i, name in enumerate(dataset.stimuli.names) if name in listed]
    return Part(SPLIT, dataset, test, without_pictures(dataset, listed))


def digest(files: Iterable[Path]) -> str:
    """SHA-256 over files, so that nothing outlives the models that it was made with."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def seed_of(image_name: str, number: int = 0) -> int:
    """Of random draws on an image."""
    return int.from_bytes(hashlib.sha256(f"{image_name} {number}".encode()).digest()[:4])


def missing_runs(models: Iterable[Path], configs: dict[str, str], osie: Path) -> str:
    """What to tell about models that are not there: their runs, and the commands that make them.

    Args:
        models: Files of the form run/part/model.safetensors.
        configs: For the name of each run that of its recipe.
        osie: Where the data set is.

    Returns:
        Nothing if all are there.
    """
    lines = []
    absent = [model for model in models if not model.exists()]
    for run in dict.fromkeys(model.parents[1] for model in absent):
        parts = ", ".join(model.parent.name for model in absent if model.parents[1] == run)
        lines.append(
            f"{run} has no model of {parts}; make it with\n    foregaze train "
            f"configs/{configs[run.name]}.yaml --set data.root={osie} --output {run} --resume"
        )
    return "\n".join(lines)
