import numpy as np
import pytest

from foregaze.evaluation import BASELINES, SpatialModel, evaluate, fit_references
from foregaze.evaluation.comparison import compare
from foregaze.evaluation.maps import PredictedMaps
from tests.evaluation.conftest import make_dataset


def slope(image):
    return PredictedMaps(saliency_map=np.tile(np.arange(40.0), (30, 1)) + image)


@pytest.fixture(scope="session")
def evaluated():
    """A comparison, its models and its references, on seven tiny images in two categories."""
    dataset = make_dataset(lengths=(9, 12, 10, 11, 8, 9, 7))
    references = fit_references(dataset)
    models = [BASELINES[name](references) for name in ("centerbias", "joint-bound", "uniform")]
    models.append(SpatialModel("slope | <b>", slope, notes=("a map",)))
    reports = [evaluate(model, dataset, references=references) for model in models]
    names = dataset.stimuli.names
    categories = dict(zip(names, ("in", "out") * 3 + ("in",), strict=True))
    return compare(reports, categories), models, references
