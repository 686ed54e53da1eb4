"""Batches of views for an epoch, of images of one working size each.

They are drawn anew for each epoch from the seed and the epoch's number alone, so that a resumed run
sees what an uninterrupted one does. With several processes each takes its share of every batch:
together they see what one process does.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from foregaze.training.frames import View
from foregaze.types import Size


class EpochBatches(Sampler[list[View]]):
    """The batches of one process in one epoch.

    Args:
        images: Images that are shown, each once.
        sizes: Working size of every image of the data set.
        batch_size: Images of a batch, over all processes.
        mirror: Whether half of them are mirrored.
        variants: Cropped and recolored views of each, beside the plain one.
        seed: Of all choices.
        rank: Number of this process.
        ranks: How many there are.
    """

    def __init__(
        self,
        images: Sequence[int],
        sizes: Sequence[Size],
        batch_size: int,
        *,
        mirror: bool,
        seed: tuple[int, ...],
        variants: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        generator = np.random.default_rng(seed)
        by_size: dict[Size, list[View]] = defaultdict(list)
        for image in generator.permutation(np.asarray(images)):
            mirrored = bool(mirror and generator.random() < 0.5)
            variant = int(generator.integers(variants + 1)) if variants else 0
            by_size[sizes[image]].append(View(int(image), mirrored, seed, variant))
        batches = [
            views[start : start + batch_size]
            for views in by_size.values()
            for start in range(0, len(views), batch_size)
        ]
        order = generator.permutation(len(batches))
        self.batches = [_share(batches[i], rank, ranks) for i in order]

    def __iter__(self) -> Iterator[list[View]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _share(batch: list[View], rank: int, ranks: int) -> list[View]:
    """What one process sees of a batch.

    All see equally many views, some of which may weigh nothing, and weights are such that the mean
    over processes of each one's mean is the mean over the batch.
    """
    if ranks == 1:
        return batch
    each = math.ceil(len(batch) / ranks)
    own = batch[rank::ranks]
    weighted = [view._replace(weight=each * ranks / len(batch)) for view in own]
    return weighted + [batch[0]._replace(weight=0.0)] * (each - len(own))


def batches_per_epoch(images: Sequence[int], sizes: Sequence[Size], batch_size: int) -> int:
    """Number of batches that `EpochBatches` makes."""
    per_size: dict[Size, int] = defaultdict(int)
    for image in images:
        per_size[sizes[image]] += 1
    return sum(math.ceil(n / batch_size) for n in per_size.values())
