"""What a report shows of a model: images, the fixations on them, and the maps predicted."""

from collections.abc import Mapping, Sequence

import numpy as np

from foregaze.evaluation.models import Case, ScoredModel
from foregaze.evaluation.references import References
from foregaze.viz.evaluation import Example


def make_examples(
    chosen: Mapping[str, Sequence[tuple[str, str]]],
    models: Sequence[ScoredModel],
    references: References,
) -> dict[str, list[Example]]:
    """Predict the chosen images again, to draw them.

    Args:
        chosen: For each model the names of images, each with a title.
        models: Those without one map per image are left out.
        references: Of the data set that was scored.
    """
    dataset = references.dataset
    index = {name: image for image, name in enumerate(dataset.stimuli.names)}
    examples: dict[str, list[Example]] = {}
    for model in models:
        if not model.one_map_per_image:
            continue
        for name, title in chosen.get(model.name, ()):
            image = index[name]
            fixations = references.fixations_on[image]
            group = next(iter(model.on(image)(Case(image, fixations, references))))
            log_density, saliency_map = group.maps.log_density, group.maps.saliency_map
            if log_density is not None and np.ptp(log_density) < 1e-6:
                continue  # a uniform map shows nothing
            examples.setdefault(model.name, []).append(
                Example(
                    title,
                    dataset.stimuli[image],
                    fixations.x,
                    fixations.y,
                    log_density,
                    saliency_map,
                )
            )
    return examples
