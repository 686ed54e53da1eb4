from pathlib import Path

import numpy as np
import pytest

from foregaze.errors import ConfigError, DataError, UnknownNameError
from foregaze.evaluation import BASELINES, evaluate, fit_references
from foregaze.evaluation.load import check_specs, load_scored


@pytest.fixture(scope="module")
def references():
    from tests.evaluation.conftest import make_dataset

    return fit_references(make_dataset())


def test_baselines_load_by_name(references):
    for name in BASELINES:
        assert load_scored(name, references).name == name


def test_a_checkpoint_loads_by_its_path(references, tiny_checkpoint):
    model = load_scored(str(tiny_checkpoint), references)
    assert np.exp(model.predict(0)).sum() == pytest.approx(1, abs=1e-3)


def test_log_densities_in_files_are_scored_as_such(references, tmp_path):
    uniform = np.full((30, 40), -np.log(1200))
    for name in references.dataset.stimuli.names:
        np.save(tmp_path / name.replace(".png", ".npy"), uniform)
    model = load_scored(f"mine={tmp_path}", references)
    report = evaluate(model, references.dataset, references=references, metrics=["LL"])
    assert model.name == "mine"
    assert report.metrics["LL"].mean == pytest.approx(0, abs=1e-9)


def test_maps_in_files_get_densities_only_where_they_are_needed(references, tmp_path):
    slope = np.tile(np.arange(40.0), (30, 1))
    for name in references.dataset.stimuli.names:
        np.save(tmp_path / name.replace(".png", ".npy"), slope)
    with_density = load_scored(f"mine={tmp_path}", references)
    assert with_density.predict(0).log_density is not None
    without = load_scored(f"mine={tmp_path}", references, convert=False)
    assert without.predict(0).log_density is None


def test_a_classical_model_is_scored_as_a_density_times_the_center_bias(references):
    model = load_scored("spectral-residual", references)
    assert "times the center bias" in model.notes[0]
    assert model.predict(0).saliency_map is None


@pytest.mark.parametrize(
    ("specs", "checkpoint", "error", "message"),
    [
        (["defualt"], None, UnknownNameError, "unknown model 'defualt'; known: .*gold-standard"),
        (["=x"], None, UnknownNameError, "unknown model '=x'"),
        (["uniform", "uniform"], None, ConfigError, "two models are called 'uniform'"),
        (["uniform"], "a.safetensors", ConfigError, "'uniform' takes no checkpoint"),
        (["default", "default-fast"], "a.safetensors", ConfigError, "belongs to one model"),
        (["gone.safetensors"], None, DataError, "gone.safetensors: no such file"),
        (["mine=gone"], None, DataError, "gone: no such file or folder, for model 'mine'"),
    ],
)
def test_what_cannot_be_loaded_is_refused_first(specs, checkpoint, error, message):
    with pytest.raises(error, match=message):
        check_specs(specs, checkpoint and Path(checkpoint))
