"""Models whose scanpaths are compared with people's on OSIE, and how these are sampled.

Models without first fixations, durations or ends get them from training viewers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foregaze.inference.predictor import Predictor
from foregaze.scanpath_metrics import Scanpath
from osie_parts import SPLIT, Part, seed_of

SCANPATHS = 15
"""On each image, as many as it has observers."""
FOLDS = "folds"
"""The table of all images; the other one is called as its part."""
MOST_FIXATIONS = 22
"""Of models without an end of their own: as many as the longest recorded scanpath has. Time is
over earlier, but for one in some thousands of drawn scanpaths."""


@dataclass(frozen=True)
class Row:
    """A model in the table."""

    title: str
    sample: Callable[[Part, int, Predictor | None], list[Scanpath]]
    """Scanpaths on the image with an index."""
    run: str | None = None
    split_run: str | None = None
    share: float = 1.0
    """Of drawn scanpaths that is kept, the most typical ones."""
    tables: tuple[str, ...] = (FOLDS, SPLIT)

    def model_of(self, part: Part, runs: Path) -> Path | None:
        """The checkpoint that did not see a part's images; None for a model without one."""
        if self.run is None or self.split_run is None:
            return None
        folder = (
            runs / self.split_run / "all" if part.name == SPLIT else runs / self.run / part.name
        )
        return folder / "model.safetensors"


def own_row(title: str, share: float, tables: tuple[str, ...] = (FOLDS, SPLIT)) -> Row:
    """A row of the model that knows of first fixations, durations and ends."""

    def sample(part: Part, image: int, model: Predictor | None) -> list[Scanpath]:
        assert model is not None
        seed = seed_of(part.dataset.stimuli.names[image])
        return model.sample_viewings(
            part.dataset.stimuli[image], SCANPATHS, seed=seed, typical=share
        )

    return Row(title, sample, "default-scanpath", "osie-split-scanpath", share, tables)


def sample_after_first(part: Part, image: int, model: Predictor | None) -> list[Scanpath]:
    """Scanpaths of a model of next fixations, which go on from drawn first ones."""
    assert model is not None
    seed = seed_of(part.dataset.stimuli.names[image])
    generator, timed = _timed(part, seed)
    first = part.prior.first.sample(SCANPATHS, generator)  # (n, 2)
    conditional = model.on(part.dataset.stimuli[image])
    paths = [start[None] for start in first]
    for number, scanpath in enumerate(timed):
        if len(scanpath) > 1:
            more = conditional.sample(
                paths[number], 1, len(scanpath) - 1, seed_of(str(seed), number)
            )
            paths[number] = np.concatenate([paths[number], more[0]])
    return _placed(paths, timed)


def sample_independently(part: Part, image: int, model: Predictor | None) -> list[Scanpath]:
    """Scanpaths of a model that knows no history; but first fixations are drawn as for others."""
    assert model is not None
    seed = seed_of(part.dataset.stimuli.names[image])
    generator, timed = _timed(part, seed)
    first = part.prior.first.sample(SCANPATHS, generator)
    conditional = model.on(part.dataset.stimuli[image])
    more = conditional.sample(np.empty((0, 2)), SCANPATHS, MOST_FIXATIONS - 1, seed)
    return _placed(list(np.concatenate([first[:, None], more], axis=1)), timed)


def sample_prior(part: Part, image: int, model: Predictor | None) -> list[Scanpath]:
    """Scanpaths that do not depend on the image."""
    generator, timed = _timed(part, seed_of(part.dataset.stimuli.names[image]))
    return _placed(list(part.prior.sample(SCANPATHS, max(map(len, timed)), generator)), timed)


def _timed(part: Part, seed: int) -> tuple[np.random.Generator, list[Scanpath]]:
    """Scanpaths of which only durations and ends are drawn, for models that know neither."""
    generator = np.random.default_rng(seed)
    nowhere = np.zeros((SCANPATHS, MOST_FIXATIONS, 2))
    return generator, part.durations.viewings(nowhere, generator)


def _placed(paths: list[np.ndarray], timed: list[Scanpath]) -> list[Scanpath]:
    return [
        Scanpath(path[: len(one), 0], path[: len(one), 1], one.duration_ms)
        for path, one in zip(paths, timed, strict=True)
    ]


ROWS = {
    "default-scanpath": own_row("`default-scanpath`", 1.0),
    "default-scanpath-typical": own_row("`default-scanpath`, the most typical tenth", 0.1),
    "default-scanpath-twentieth": own_row(  # 300 samples an image: half an hour on all images
        "`default-scanpath`, the most typical twentieth", 0.05, tables=(SPLIT,)
    ),
    "osie-deepgaze3": Row(
        "DeepGaze III head", sample_after_first, "osie-deepgaze3", "osie-split-deepgaze3"
    ),
    "default": Row(
        "`default`, drawn without history", sample_independently, "default", "osie-split-default"
    ),
    "saccade-prior": Row("center bias with saccade lengths", sample_prior),
}
