"""Our models as pysaliency's, and pysaliency's as ours.

pysaliency is an optional extra, and imported only by the functions here. Its classes are used by
their documented interface, which is the same in 0.2.22 and in the development version 0.3:
`Model._log_density`, `SaliencyMapModel._saliency_map` and
`ScanpathModel.conditional_log_density(stimulus, x_hist, y_hist, t_hist)`.
"""

from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float

from foregaze.data.pysaliency_stimuli import StoredArrays
from foregaze.errors import DataError, ForegazeError
from foregaze.evaluation.maps import PredictedMaps
from foregaze.evaluation.models import ScanpathModel, SpatialModel
from foregaze.images import read_image
from foregaze.inference.predictor import Predictor
from foregaze.types import EyeTrackingDataset, Stimuli


class PysaliencyMissingError(ForegazeError):
    """pysaliency is asked for, but cannot be imported."""


def as_pysaliency_model(predictor: Predictor) -> Any:
    """A loaded model as a `pysaliency.Model`.

    Stimuli are predicted from the arrays that pysaliency decodes: color profiles and EXIF
    orientation, which `predict` heeds in image files, are lost there.

    Args:
        predictor: From `foregaze.load_model`.

    Raises:
        PysaliencyMissingError: If pysaliency cannot be imported.
    """
    pysaliency = _pysaliency()

    class ForegazeModel(pysaliency.Model):  # type: ignore[misc, name-defined]
        def _log_density(self, stimulus: np.ndarray) -> Float[np.ndarray, "H W"]:
            return predictor.predict(stimulus).log_density.astype(np.float64)

    return ForegazeModel()


def as_pysaliency_saliency_map_model(
    predictor: Predictor, metric: str = "nss", *, sigma_px: float | None = None
) -> Any:
    """A loaded model as a `pysaliency.SaliencyMapModel`, whose maps suit one metric.

    Args:
        predictor: From `foregaze.load_model`.
        metric: Which map of the density; see `foregaze.Prediction.saliency_map`, which refuses an
            unknown one when the first map is asked for.
        sigma_px: Kernel of the empirical maps, for the metrics that compare with such.

    Raises:
        PysaliencyMissingError: If pysaliency cannot be imported.
    """
    pysaliency = _pysaliency()

    class ForegazeSaliencyMapModel(pysaliency.SaliencyMapModel):  # type: ignore[misc, name-defined]
        def _saliency_map(self, stimulus: np.ndarray) -> Float[np.ndarray, "H W"]:
            return predictor.predict(stimulus).saliency_map(metric, sigma_px=sigma_px)

    return ForegazeSaliencyMapModel()


def from_pysaliency_model(
    model: Any, dataset: EyeTrackingDataset, name: str | None = None
) -> SpatialModel | ScanpathModel:
    """A model of pysaliency as an evaluation sees it.

    Image files are decoded by pysaliency itself, whose models may look predictions up by the hash
    of the decoded image.

    Args:
        model: A `pysaliency.Model`, whose log densities are scored; a `SaliencyMapModel`, whose
            maps are; or a `ScanpathModel`. To a scanpath model, times are the running index of the
            fixations that it is given, and there are no attributes of fixations.
        dataset: Whose images it predicts, and for a scanpath model, where histories come from.
        name: What the report calls it; the name of its class where left out.

    Raises:
        PysaliencyMissingError: If pysaliency cannot be imported.
        DataError: If the model is none of these.
    """
    pysaliency = _pysaliency()
    name = name or type(model).__name__

    def stimulus(image: int) -> Any:
        return _stimulus(pysaliency, dataset.stimuli, image)

    if isinstance(model, pysaliency.Model):  # which is a ScanpathModel, too
        return SpatialModel(name, lambda image: _floats(model.log_density(stimulus(image))))
    if isinstance(model, pysaliency.SaliencyMapModel):
        return SpatialModel(
            name,
            lambda image: PredictedMaps(saliency_map=_floats(model.saliency_map(stimulus(image)))),
        )
    if isinstance(model, pysaliency.ScanpathModel):

        def predict(
            image: int, x_hist: Float[np.ndarray, " T"], y_hist: Float[np.ndarray, " T"]
        ) -> Float[np.ndarray, "H W"]:
            t_hist = np.arange(len(x_hist), dtype=np.float64)
            return _floats(model.conditional_log_density(stimulus(image), x_hist, y_hist, t_hist))

        return ScanpathModel(name, dataset, predict)
    raise DataError(
        f"{name}: is no pysaliency.Model, SaliencyMapModel or ScanpathModel, which are those that "
        "can be scored"
    )


def _pysaliency() -> Any:
    try:
        return import_module("pysaliency")
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise PysaliencyMissingError(
            f"pysaliency cannot be imported ({reason}): pip install 'foregaze[pysaliency]', with "
            "Python before 3.13; its release runs only beside NumPy before 2 and setuptools "
            "before 82"
        ) from error


def _stimulus(pysaliency: Any, stimuli: Stimuli, image: int) -> Any:
    """A stimulus as pysaliency decodes it, if its image is a file or one of pysaliency's arrays."""
    path = stimuli.paths[image]
    if isinstance(stimuli.read, StoredArrays):
        return pysaliency.Stimuli([stimuli.read.raw(path)])[0]
    if stimuli.read is read_image and path.is_file():
        return pysaliency.FileStimuli([str(path)], cached=False)[0]
    return pysaliency.Stimuli([stimuli[image]])[0]


def _floats(values: Any) -> Float[np.ndarray, "H W"]:
    array = np.asarray(values)
    return array if array.dtype == np.float32 else array.astype(np.float64)
