"""With a stand-in for pysaliency's classes; tools/check_pysaliency.py has the real ones."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.special import log_softmax

from foregaze.data import load_pysaliency
from foregaze.errors import DataError, ForegazeError, UnknownNameError
from foregaze.evaluation.evaluate import evaluate
from foregaze.evaluation.models import ScanpathModel, SpatialModel
from foregaze.evaluation.pysaliency_models import (
    as_pysaliency_model,
    as_pysaliency_saliency_map_model,
    from_pysaliency_model,
)
from foregaze.inference.zoo import load_model
from foregaze.types import EyeTrackingDataset

GOLDEN = Path(__file__).parents[1] / "golden" / "pysaliency_hdf5" / "v0.2.22"


class Stimulus:
    def __init__(self, stimulus_data: np.ndarray) -> None:
        self.stimulus_data = stimulus_data


class FileStimuli:
    def __init__(self, filenames: list[str], cached: bool = True) -> None:
        assert not cached, "images of large data sets do not fit into memory"
        self.filenames = filenames

    def __getitem__(self, index: int) -> Stimulus:
        return Stimulus(np.asarray(Image.open(self.filenames[index])))


class Stimuli:
    def __init__(self, stimuli: list[np.ndarray]) -> None:
        self.stimuli = stimuli

    def __getitem__(self, index: int) -> Stimulus:
        return Stimulus(self.stimuli[index])


class FakeScanpathModel:
    def conditional_log_density(
        self, stimulus: Any, x_hist: Any, y_hist: Any, t_hist: Any, attributes: Any = None
    ) -> np.ndarray:
        raise NotImplementedError


class FakeModel(FakeScanpathModel):
    def log_density(self, stimulus: Any) -> np.ndarray:
        return self._log_density(getattr(stimulus, "stimulus_data", stimulus))

    def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class FakeSaliencyMapModel:
    def saliency_map(self, stimulus: Any) -> np.ndarray:
        return self._saliency_map(getattr(stimulus, "stimulus_data", stimulus))

    def _saliency_map(self, stimulus: np.ndarray) -> np.ndarray:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def pysaliency(monkeypatch):
    module = SimpleNamespace(
        Stimuli=Stimuli,
        FileStimuli=FileStimuli,
        Model=FakeModel,
        ScanpathModel=FakeScanpathModel,
        SaliencyMapModel=FakeSaliencyMapModel,
    )
    monkeypatch.setitem(sys.modules, "pysaliency", module)
    return module


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint):
    return load_model(str(tiny_checkpoint), device="cpu")


@pytest.fixture
def dataset() -> EyeTrackingDataset:
    return load_pysaliency(
        GOLDEN / "stimuli.hdf5", GOLDEN / "fixations.hdf5", starts_at_center=False
    )


class Brightness(FakeModel):
    def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
        return log_softmax(stimulus.reshape(*stimulus.shape[:2], -1).mean(axis=-1) / 64)


class BrightnessMap(FakeSaliencyMapModel):
    def _saliency_map(self, stimulus: np.ndarray) -> np.ndarray:
        return stimulus[..., 0].astype(np.int64)


class NextToLast(FakeScanpathModel):
    def __init__(self) -> None:
        self.seen: list[tuple[list[float], list[float], list[float]]] = []

    def conditional_log_density(
        self, stimulus: Any, x_hist: Any, y_hist: Any, t_hist: Any, attributes: Any = None
    ) -> np.ndarray:
        self.seen.append((x_hist.tolist(), y_hist.tolist(), t_hist.tolist()))
        height, width = stimulus.stimulus_data.shape[:2]
        x, y = (x_hist[-1], y_hist[-1]) if len(x_hist) else (width / 2, height / 2)
        distance = np.hypot(np.arange(width) + 0.5 - x, np.arange(height)[:, None] + 0.5 - y)
        return log_softmax(-distance / 10)


def test_our_model_predicts_as_theirs(predictor, dataset):
    model = as_pysaliency_model(predictor)
    assert isinstance(model, FakeModel)
    expected = predictor.predict(dataset.stimuli[0]).log_density
    for stimulus in (Stimulus(dataset.stimuli[0]), dataset.stimuli[0]):
        log_density = model.log_density(stimulus)
        assert log_density.dtype == np.float64
        np.testing.assert_array_equal(log_density, expected)


def test_gray_stimuli_are_predicted(predictor, dataset):
    gray = dataset.stimuli[0][..., 0]
    log_density = as_pysaliency_model(predictor).log_density(gray)
    expected = predictor.predict(np.repeat(gray[..., None], 3, axis=2)).log_density
    np.testing.assert_array_equal(log_density, expected)


@pytest.mark.parametrize("metric", ["nss", "auc", "sauc", "cc"])
def test_our_saliency_maps_are_those_of_the_metric(predictor, dataset, metric):
    model = as_pysaliency_saliency_map_model(predictor, metric)
    assert isinstance(model, FakeSaliencyMapModel)
    expected = predictor.predict(dataset.stimuli[1]).saliency_map(metric)
    np.testing.assert_array_equal(model.saliency_map(Stimulus(dataset.stimuli[1])), expected)


def test_the_kernel_of_empirical_maps_is_passed_on(predictor, dataset):
    model = as_pysaliency_saliency_map_model(predictor, "cc", sigma_px=7.0)
    expected = predictor.predict(dataset.stimuli[1]).saliency_map("cc", sigma_px=7.0)
    np.testing.assert_array_equal(model.saliency_map(dataset.stimuli[1]), expected)


def test_an_unknown_metric_is_told(predictor, dataset):
    with pytest.raises(UnknownNameError, match="unknown metric 'loudness'; known: auc"):
        as_pysaliency_saliency_map_model(predictor, "loudness").saliency_map(dataset.stimuli[0])


def test_their_model_predicts_as_ours(dataset):
    model = from_pysaliency_model(Brightness(), dataset)
    assert isinstance(model, SpatialModel)
    assert model.name == "Brightness"
    expected = Brightness().log_density(dataset.stimuli[2])
    np.testing.assert_allclose(model.predict(2), expected, rtol=1e-15)


def test_their_saliency_maps_become_ours(dataset):
    model = from_pysaliency_model(BrightnessMap(), dataset, name="bright")
    assert model.name == "bright"
    assert isinstance(model, SpatialModel)
    maps = model.predict(0)
    assert not isinstance(maps, np.ndarray)
    assert maps.log_density is None
    np.testing.assert_array_equal(maps.saliency_map, dataset.stimuli[0][..., 0])


def test_their_scanpath_model_gets_the_history_of_each_fixation(dataset):
    theirs = NextToLast()
    model = from_pysaliency_model(theirs, dataset)
    assert isinstance(model, ScanpathModel)
    evaluate(model, dataset, metrics=["LL"])
    assert sorted(theirs.seen) == [
        ([], [], []),
        ([], [], []),
        ([1.5], [1.0], [0.0]),
        ([1.5, 2.5], [1.0, 2.0], [0.0, 1.0]),
        ([4.0], [4.0], [0.0]),
    ]


def test_arrays_inside_a_file_are_given_as_they_are_stored():
    stored = load_pysaliency(GOLDEN / "arrays.hdf5", GOLDEN / "trains.hdf5", starts_at_center=False)
    seen = []

    class Uniform(FakeModel):
        def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
            seen.append(stimulus.shape)
            return np.full(stimulus.shape[:2], -np.log(stimulus.shape[0] * stimulus.shape[1]))

    model = from_pysaliency_model(Uniform(), stored)
    assert isinstance(model, SpatialModel)
    for image in range(2):
        model.predict(image)
    assert seen == [(6, 9, 3), (7, 5)]  # the second is gray


def test_images_of_other_sources_are_given_as_the_data_set_reads_them(toy_dataset):
    dataset = toy_dataset()
    model = from_pysaliency_model(Brightness(), dataset)
    assert isinstance(model, SpatialModel)
    log_density = model.predict(0)
    assert isinstance(log_density, np.ndarray)
    assert log_density.shape == dataset.stimuli.sizes[0]


def test_half_precision_is_widened(dataset):
    class Half(FakeModel):
        def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
            return np.zeros(stimulus.shape[:2], dtype=np.float16)

    model = from_pysaliency_model(Half(), dataset)
    assert isinstance(model, SpatialModel)
    log_density = model.predict(0)
    assert isinstance(log_density, np.ndarray)
    assert log_density.dtype == np.float64


def test_what_is_no_model_is_refused(dataset):
    message = r"list: is no pysaliency\.Model, SaliencyMapModel or ScanpathModel"
    with pytest.raises(DataError, match=message):
        from_pysaliency_model([], dataset)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda predictor, dataset: as_pysaliency_model(predictor),
        lambda predictor, dataset: as_pysaliency_saliency_map_model(predictor),
        lambda predictor, dataset: from_pysaliency_model(Brightness(), dataset),
    ],
)
def test_without_pysaliency_the_extra_is_named(monkeypatch, predictor, dataset, wrap):
    monkeypatch.setitem(sys.modules, "pysaliency", None)
    message = (
        r"pysaliency cannot be imported \(.*\): pip install 'foregaze\[pysaliency\]', with Python "
        r"before 3\.13; its release runs only beside NumPy before 2 and setuptools before 82$"
    )
    with pytest.raises(ForegazeError, match=message):
        wrap(predictor, dataset)


def test_importing_the_wrappers_does_not_import_pysaliency(pysaliency):
    import foregaze.evaluation.pysaliency_models as module

    assert "pysaliency" not in vars(module)
