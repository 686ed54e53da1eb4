import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import logsumexp

from foregaze.errors import ConfigError, ShapeError, UnknownNameError, WeightsError
from foregaze.inference.trunk_predictor import TrunkPredictor
from foregaze.inference.preprocess import to_working_size
from foregaze.inference.zoo import load_model
from foregaze.models.checkpoint import save_checkpoint
from foregaze.models.onnx_graph import export_graph
from foregaze.models.trunk_mixture import BranchConfig, TrunkMixture, TrunkMixtureConfig


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


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(600, 800), (97, 61), (1, 1), (40, 900), (900, 3), (33, 35)])
def test_density_has_the_images_size_and_sums_to_one(model, size):
    log_density = model.predict(picture(*size)).log_density
    assert log_density.shape == size
    assert log_density.dtype == np.float32
    assert abs(logsumexp(log_density.astype(np.float64))) < 1e-5


def test_different_images_get_different_densities(model):
    first, second = (model.predict(picture(60, 80, seed)).log_density for seed in (0, 1))
    assert np.abs(first - second).max() > 0.1


def test_path_picture_and_array_give_the_same(model, tmp_path):
    array = picture(60, 80)
    Image.fromarray(array).save(tmp_path / "a.png")
    expected = model.predict(array).log_density
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(array)):
        np.testing.assert_array_equal(model.predict(source).log_density, expected)


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
    single = TrunkPredictor("single", model.model, lambda x, b: branch(trunk(x), b), model.device, {})
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


def test_working_pixels_are_whole_gray_values_in_order():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:, 2:, 0] = 200
    pixels = to_working_size(image, (2, 2))
    assert pixels.shape == (3, 2, 2)
    assert torch.equal(pixels, pixels.round())
    assert pixels[0, 0, 1] > pixels[0, 0, 0]
    assert pixels[1:].abs().max() == 0


def test_resizing_is_pillows_to_a_gray_value():
    image = picture(75, 101)
    expected = np.array(Image.fromarray(image).resize((96, 64), Image.Resampling.BILINEAR))
    found = to_working_size(image, (64, 96)).permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown model 'defualt'; known: .*default"):
        load_model("defualt")


def test_a_missing_checkpoint_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match="no such weights file"):
        load_model(str(tmp_path / "none.safetensors"))


def test_an_absent_device_is_an_error(checkpoint):
    with pytest.raises(ConfigError, match="device 'nonsense' is not available"):
        load_model(str(checkpoint), device="nonsense")


def test_a_prediction_brings_the_center_bias_that_it_was_made_with(tiny_checkpoint):
    model = load_model(str(tiny_checkpoint))
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    uniform = model.predict(image, centerbias="uniform")
    np.testing.assert_allclose(
        uniform.saliency_map("sauc"), uniform.log_density + np.log(90 * 120), atol=1e-5
    )
    own = model.predict(image).saliency_map("sauc")
    assert np.ptp(own - model.predict(image).log_density) > 0.5
