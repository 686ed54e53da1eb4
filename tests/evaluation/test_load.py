import numpy as np
import pytest

from foregaze.data import CenterBias
from foregaze.errors import ConfigError, DataError, UnknownNameError
from foregaze.evaluation import BASELINES, evaluate, fit_references, load
from foregaze.evaluation.load import Running, check_specs, load_scored
from foregaze.inference.zoo import load_model
from tests.evaluation.conftest import make_dataset
from tests.inference.toy_deepgaze import save_toy


@pytest.fixture(scope="module")
def references():
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
        check_specs(specs, Running(checkpoint=checkpoint))


def test_models_that_run_here_take_a_center_bias(references, tiny_checkpoint):
    spec = str(tiny_checkpoint)
    image = references.dataset.stimuli[0]
    model = load_model(spec)
    given = np.log(np.linspace(1, 2, 1200) / np.linspace(1, 2, 1200).sum()).reshape(30, 40)
    for centerbias, same in (
        ("uniform", "uniform"),
        ("dataset", references.centerbias_on(0)),
        (given, given),
        (CenterBias(references.dataset), CenterBias(references.dataset)),
    ):
        scored = load_scored(spec, references, Running(centerbias=centerbias))
        expected = model.predict(image, centerbias=same).log_density
        np.testing.assert_array_equal(scored.predict(0), expected)


def test_a_center_bias_is_named_and_told_from_others(references, tiny_checkpoint):
    density = np.full((30, 40), -np.log(1200))
    found = [
        load_scored(str(tiny_checkpoint), references, Running(centerbias=centerbias))
        for centerbias in (None, "uniform", "dataset", density, density[:, ::-1] - 1e-9)
    ]
    assert len({model.identity for model in found}) == 5
    notes = [model.notes[-1] if model.notes else "" for model in found[1:]]
    assert notes[0] == "center bias: uniform"
    assert notes[1] == "center bias: of the data set, from other images"
    assert notes[2].startswith("center bias: given as an array (SHA-256 ")


def test_a_center_bias_is_for_models_that_run_here(tiny_checkpoint):
    check_specs(["uniform", str(tiny_checkpoint)], Running(centerbias="uniform"))
    message = r"^center bias 'dataset': none of the models takes one \(uniform, joint-bound\); "
    with pytest.raises(ConfigError, match=message):
        check_specs(["uniform", "joint-bound"], Running(centerbias="dataset"))
    check_specs(["uniform"])


def test_the_data_sets_center_bias_needs_other_images(tiny_checkpoint):
    single = fit_references(make_dataset(lengths=(4,)))
    with pytest.raises(DataError, match="the center bias of the data set cannot be had: "):
        load_scored(str(tiny_checkpoint), single, Running(centerbias="dataset"))


@pytest.mark.parametrize(
    ("running", "error", "message"),
    [
        (Running(precision="bfloat16"), ConfigError, "are for DeepGaze models, not for uniform, "),
        (Running(compiled=True), ConfigError, "are for DeepGaze models, not for uniform, "),
        (Running(viewers="MIT1003"), ConfigError, "none of the models has parameters for data"),
        (Running(networks={"clip": "x"}), UnknownNameError, "'clip'; known: none"),
    ],
)
def test_options_that_no_model_has_a_use_for_are_refused(tiny_checkpoint, running, error, message):
    with pytest.raises(error, match=message):
        check_specs(["uniform", str(tiny_checkpoint)], running)


def test_networks_of_a_named_model_are_known():
    check_specs(["deepgaze-msdb", "default"], Running(networks={"clip_rn50x64": "x"}))
    with pytest.raises(UnknownNameError, match="'clip'; known: clip_rn50x64, dinov2_vitb14"):
        check_specs(["deepgaze-msdb", "default"], Running(networks={"clip": "x"}))


def test_options_reach_the_models_that_have_a_use_for_them(
    references, tiny_checkpoint, tmp_path, monkeypatch
):
    msdb = str(save_toy(tmp_path / "msdb.safetensors", "deepgaze-msdb"))
    given = []

    def watched(name, **options):
        given.append(options)
        return load_model(name, **options)

    monkeypatch.setattr(load, "load_model", watched)
    network = {"tf_efficientnet_lite0": "random:0"}
    running = Running(viewers="CAT2000", precision="bfloat16", networks=network, device="cpu")
    check_specs([msdb, str(tiny_checkpoint)], running)
    scored = load_scored(msdb, references, running)
    assert scored.notes == ("parameters for the viewers of CAT2000",)
    assert scored.identity.endswith(" viewers: CAT2000")
    ours = load_scored(str(tiny_checkpoint), references, running)
    assert ours.notes == ()
    assert given[0]["precision"] == "bfloat16"
    assert given[0]["networks"] == network
    assert given[1] == {"checkpoint": None, "device": "cpu"}
