import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from foregaze.errors import ConfigError, ShapeError
from foregaze.inference.trunk_predictor import TrunkPredictor
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.onnx_graph import export_graph
from foregaze.models.trunk_mixture import BranchConfig, TrunkMixture, TrunkMixtureConfig
from tests.inference.toy_deepgaze import picture


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    branches = (BranchConfig(tuned_from=7), BranchConfig(tuned_from=6))
    model = TrunkMixture(
        TrunkMixtureConfig(
            backbone="tf_efficientnet_lite0",
            backbone_weights="random:0",
            input_size=(96, 128),
            branches=branches,
        )
    ).eval()
    rows = torch.linspace(-1, 1, model.centerbias.shape[0])[:, None]
    columns = torch.linspace(-1, 1, model.centerbias.shape[1])
    model.centerbias.copy_(-(rows**2) - columns**2)
    for branch in model.branches:
        torch.nn.init.normal_(branch.conv2.weight)
    path = tmp_path_factory.mktemp("predictor") / "model.safetensors"
    save_checkpoint(model, path, {"dataset": "toy"}, graph=export_graph(model))
    return path


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_model(str(checkpoint), device="cpu")


@pytest.mark.parametrize("size", [(600, 800), (97, 61), (1, 1), (40, 900), (900, 3), (33, 35)])
def test_density_has_the_images_size_and_sums_to_one(model, size):
    log_density = model.predict(picture(*size)).log_density
    assert log_density.shape == size
    assert log_density.dtype == np.float32
    assert abs(logsumexp(log_density.astype(np.float64))) < 1e-5


def test_different_images_get_different_densities(model):
    first, second = (model.predict(picture(60, 80, seed)).log_density for seed in (0, 1))
    assert np.abs(first - second).max() > 0.1


def test_onnx_and_pytorch_agree(model, checkpoint):
    image = picture(120, 80)
    slow = load_model(str(checkpoint), device="cpu")
    slow.engine = slow.model
    difference = model.predict(image).log_density - slow.predict(image).log_density
    assert np.abs(difference).max() < 1e-4
    assert model.engine is not model.model


def test_uniform_center_bias_equals_a_flat_one_and_differs_from_the_trained(model):
    image = picture(60, 80)
    uniform = model.predict(image, centerbias="uniform").log_density
    flat = model.predict(image, centerbias=np.full((60, 80), -np.log(4800))).log_density
    np.testing.assert_allclose(uniform, flat, atol=1e-5)
    assert np.abs(uniform - model.predict(image).log_density).max() > 0.1


def test_a_given_center_bias_moves_the_density_to_where_it_is(model):
    trunk, branch = model.model.trunk, model.model.branches[0]
    single = TrunkPredictor(
        "single", model.model, lambda x, b: branch(trunk(x), b), model.device, {}
    )
    image = picture(60, 80)
    left = np.where(np.arange(80) < 40, 0.9 / 2400, 0.1 / 2400) * np.ones((60, 1))
    prediction = single.predict(image, centerbias=np.log(left))
    uniform = single.predict(image, centerbias="uniform")
    left_mass = [np.exp(p.log_density[:, :40].astype(float)).sum() for p in (prediction, uniform)]
    odds = [mass / (1 - mass) for mass in left_mass]
    assert odds[0] / odds[1] == pytest.approx(9, rel=0.1)


@pytest.mark.parametrize(
    ("centerbias", "message"),
    [
        (np.zeros((60, 81)), r"shape \(60, 81\), expected \(60, 80\)"),
        (np.zeros((60, 80)), "sums to 4800 after exp, expected 1"),
        (np.full((60, 80), np.nan), "sums to nan after exp"),
        ("center", "expected a log density"),
    ],
)
def test_a_wrong_center_bias_is_an_error(model, centerbias, message):
    with pytest.raises(ShapeError, match=message):
        model.predict(picture(60, 80), centerbias=centerbias)


def test_a_prediction_leaves_pytorchs_threads_as_they_were(model):
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        model.predict(picture(60, 80))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_one_prediction_runs_the_model_once(model):
    calls = []
    counting = TrunkPredictor(
        "counted", model.model, lambda *a: calls.append(1) or model.engine(*a), model.device, {}
    )
    counting.predict(picture(60, 80))
    assert len(calls) == 1


def test_a_mirrored_model_treats_an_image_and_its_mirror_image_alike(model, checkpoint):
    mirrored = load_model(str(checkpoint), device="cpu", mirrored=True)
    flat = {"centerbias": "uniform"}
    image = picture(60, 80)
    expected = mirrored.predict(image, **flat).log_density[:, ::-1]
    flipped = np.ascontiguousarray(image[:, ::-1])
    np.testing.assert_allclose(mirrored.predict(flipped, **flat).log_density, expected, atol=1e-4)
    plain = model.predict(image, **flat).log_density[:, ::-1]
    assert np.abs(model.predict(flipped, **flat).log_density - plain).max() > 1e-3


def test_data_sets_are_not_for_it(model):
    with pytest.raises(ConfigError, match="has no parameters for data sets"):
        model.predict(picture(60, 80), dataset="MIT1003")


def test_pixels_per_degree_change_nothing(model):
    image = picture(60, 80)
    expected = model.predict(image).log_density
    given = model.predict(image, pixels_per_degree=10.0).log_density
    np.testing.assert_array_equal(given, expected)
    assert not model.sees_resolution
