from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import chisquare

from foregaze.errors import ConfigError, ShapeError
from foregaze.inference import scanpath_predictor
from foregaze.inference.conditional import Extent
from foregaze.inference.zoo import load_model
from foregaze.models.next_fixation import Past
from foregaze.ops.logdensity import resample
from tests.inference.toy_deepgaze import density_of, picture
from tests.inference.toy_scanpath import save_toy_scanpath

SIZE = (96, 128)
TILE = 16
NONE = np.empty((0, 2))
AFTER = {"x_hist": [20.0, 100.0], "y_hist": [70.0, 30.0]}


@pytest.fixture(scope="module")
def model(scanpath_checkpoint):
    return load_model(str(scanpath_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def image():
    return picture(*SIZE)


def tiles(log_density):
    """Mass of each tile, row after row."""
    height, width = log_density.shape
    density = np.exp(log_density.astype(np.float64))
    return density.reshape(height // TILE, TILE, width // TILE, TILE).sum((1, 3)).ravel()


def tile_of(x, y):
    return (y // TILE).astype(int) * (SIZE[1] // TILE) + (x // TILE).astype(int)


def fits(points, expected):
    """Probability of counts as uneven, if points follow a mass per tile."""
    counts = np.bincount(tile_of(*points.T), minlength=len(expected)).astype(float)
    wanted = expected / expected.sum() * len(points)
    rare = wanted < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(wanted[~rare], wanted[rare].sum())
    kept = wanted > 0
    return chisquare(observed[kept], wanted[kept]).pvalue


class Counting:
    """An engine that counts its runs."""

    def __init__(self, engine):
        self.engine, self.runs = engine, 0

    def __call__(self, *inputs):
        self.runs += 1
        return self.engine(*inputs)


@pytest.fixture
def counted(scanpath_checkpoint):
    model = load_model(str(scanpath_checkpoint), device="cpu")
    model.engine = Counting(model.model)
    return model


@pytest.mark.parametrize("size", [(60, 80), (80, 60), (30, 40), (1, 1), (200, 30), (97, 143)])
@pytest.mark.parametrize("known", [0, 1, 6])
def test_densities_have_the_images_size_and_sum_to_one(model, size, known):
    history = np.random.default_rng(0).uniform(0, size[::-1], (known, 2))
    given = {"x_hist": history[:, 0], "y_hist": history[:, 1]}
    log_density = model.predict(picture(*size), **given).log_density
    assert log_density.shape == size
    assert log_density.dtype == np.float32
    assert abs(logsumexp(log_density.astype(np.float64))) < 1e-5


@pytest.mark.parametrize("size", [(60, 80), (80, 60), (30, 40), (1, 1), (200, 30)])
def test_samples_lie_inside_the_image_and_can_be_a_history(model, size):
    image = picture(*size)
    paths = model.sample_scanpaths(image, n=20, length=5, seed=3)
    assert paths.shape == (20, 5, 2)
    assert (paths >= 0).all()
    assert (paths < np.array(size[::-1])).all()
    model.predict(image, x_hist=paths[0, :, 0], y_hist=paths[0, :, 1])


def test_an_image_of_one_color_is_an_image(model):
    gray = np.full((60, 80, 3), 128, dtype=np.uint8)
    log_density = model.predict(gray, x_hist=[10.0], y_hist=[10.0]).log_density
    assert abs(logsumexp(log_density.astype(np.float64))) < 1e-5
    assert np.isfinite(model.sample_scanpaths(gray, n=3, length=3, seed=0)).all()


def test_onnx_and_pytorch_agree(model, scanpath_checkpoint):
    slow = load_model(str(scanpath_checkpoint), device="cpu")
    slow.engine = slow.model
    for size in ((96, 128), (80, 60)):
        given = {"x_hist": [20.0, 50.0], "y_hist": [40.0, 30.0]}
        fast, expected = (m.predict(picture(*size), **given).log_density for m in (model, slow))
        assert np.abs(fast - expected).max() < 1e-4
    assert model.engine is not model.model


def test_no_history_and_an_empty_one_are_the_first_fixation(model, image):
    first = model.predict(image).log_density
    for empty in ([], [np.nan, np.nan]):
        given = model.predict(image, x_hist=empty, y_hist=empty).log_density
        np.testing.assert_array_equal(given, first)
    center = model.predict(image, x_hist=[64.0], y_hist=[48.0]).log_density
    assert np.abs(center - first).max() > 0.1


@pytest.mark.parametrize("missing", [1, 3, 9])
def test_missing_older_fixations_change_nothing(model, image, missing):
    expected = model.predict(image, **AFTER).log_density
    padded = {name: [np.nan] * missing + values for name, values in AFTER.items()}
    np.testing.assert_array_equal(model.predict(image, **padded).log_density, expected)


def test_a_history_may_be_longer_than_what_is_seen_one_by_one(model, image):
    history = np.random.default_rng(1).uniform(0, SIZE[::-1], (9, 2))
    last = history[-4:]
    moved = np.concatenate([history[:5] / 2, last])
    whole, short, other = (
        model.predict(image, x_hist=h[:, 0], y_hist=h[:, 1]).log_density
        for h in (history, last, moved)
    )
    assert np.abs(whole - short).max() > 1e-2
    assert np.abs(whole - other).max() > 1e-3


@torch.inference_mode()
def of_components(conditional, model):
    """Log densities of each component after two fixations, at the working size, which is SIZE."""
    columns = [torch.full((1, 4), torch.nan) for _ in "xy"]
    for column, values in zip(columns, AFTER.values(), strict=True):
        column[0, :2] = torch.tensor(values[::-1])
    each = []
    for viewer in model.model.components:
        scene = viewer.fixation.scene(
            conditional.log_density, conditional.prior, conditional.features, 16.0
        )
        each.append(resample(viewer.fixation(scene, Past(*columns)), SIZE)[0].numpy())
    return each


def test_the_mixture_is_the_mean_of_its_components_densities(model, image):
    each = of_components(model.on(image), model)
    expected = np.mean([np.exp(one.astype(np.float64)) for one in each], axis=0)
    found = np.exp(model.predict(image, **AFTER).log_density.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)
    assert np.abs(each[0] - each[1]).max() > 0.1


@pytest.mark.parametrize("given", [{}, AFTER])
def test_first_samples_follow_the_density(model, image, given):
    expected = tiles(model.predict(image, **given).log_density)
    viewings = model.sample_viewings(image, 4000, length=1, seed=1, **given)
    points = np.array([[one.x[0], one.y[0]] for one in viewings])
    assert fits(points, expected) > 1e-3


def test_that_comparison_notices_another_density(model, image):
    points = model.sample_scanpaths(image, 4000, 1, 1, **AFTER)[:, 0]
    assert fits(points, tiles(model.predict(image).log_density)) < 1e-6
    for alone in of_components(model.on(image), model):
        assert fits(points, tiles(alone)) < 1e-6


def test_second_samples_follow_the_density_after_the_first(model, image):
    scanpaths = model.sample_scanpaths(image, 3000, 2, 2)
    conditional = model.on(image)
    tile = tile_of(*scanpaths[:, 0].T)
    common = np.bincount(tile).argmax()
    here = scanpaths[tile == common]
    expected = np.mean(
        [tiles(conditional(first[None]).log_density) for first in here[:, 0]], axis=0
    )
    assert len(here) > 150
    assert fits(here[:, 1], expected) > 1e-3
    assert fits(here[:, 1], tiles(conditional(NONE).log_density)) < 1e-3


def test_the_same_seed_gives_the_same_viewings(model, image):
    def drawn(seed):
        viewings = model.sample_viewings(image, 5, length=4, seed=seed)
        return np.array([[one.x, one.y, one.duration_ms] for one in viewings])

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))
    assert not np.array_equal(drawn(None), drawn(None))


def test_longer_scanpaths_begin_as_shorter_ones_do(model, image):
    longer = model.sample_viewings(image, 6, length=12, seed=3)
    shorter = model.sample_viewings(image, 6, length=3, seed=3)
    for long, short in zip(longer, shorter, strict=True):
        np.testing.assert_array_equal(long.x[:3], short.x)
        np.testing.assert_array_equal(long.y[:3], short.y)


def test_positions_and_viewings_are_the_same_draws(model, image):
    viewings = model.sample_viewings(image, 3, length=4, seed=5, **AFTER)
    paths = model.sample_scanpaths(image, 3, 4, 5, **AFTER)
    np.testing.assert_array_equal(paths, [np.column_stack([v.x, v.y]) for v in viewings])
    history = np.column_stack([AFTER["x_hist"], AFTER["y_hist"]])
    np.testing.assert_array_equal(model.on(image).sample(history, 3, 4, 5), paths)


@pytest.mark.parametrize("extent", [{"length": 1}, {"length": 7}, {"seconds": 2.0}, {}])
@pytest.mark.parametrize("n", [1, 20])
def test_the_backbone_runs_once_however_many_and_long_scanpaths_are(counted, image, extent, n):
    counted.sample_viewings(image, n, seed=0, **extent)
    assert counted.engine.runs == 1


def test_all_that_is_asked_about_an_image_takes_one_run(counted, image):
    conditional = counted.on(image)
    conditional(NONE)
    conditional(np.array([[5.0, 5.0]]))
    conditional.viewings(NONE, 3, Extent(), 0)
    assert counted.engine.runs == 1


def test_low_temperatures_draw_the_likeliest_place(model, image):
    log_density = model.predict(image, **AFTER).log_density
    row, column = np.unravel_index(log_density.argmax(), log_density.shape)
    for temperature in (0.02, 1e-3, 1e-12):
        paths = model.sample_scanpaths(image, 20, 1, 0, temperature=temperature, **AFTER)
        distance = np.hypot(*(paths[:, 0] - [column + 0.5, row + 0.5]).T)
        assert distance.max() < 12, temperature
    usual = model.sample_scanpaths(image, 20, 1, 0, **AFTER)
    assert np.hypot(*(usual[:, 0] - [column + 0.5, row + 0.5]).T).max() > 20


def test_temperature_one_is_the_default(model, image):
    usual = model.sample_scanpaths(image, 4, 3, 0)
    np.testing.assert_array_equal(model.sample_scanpaths(image, 4, 3, 0, temperature=1.0), usual)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_other_temperatures_follow_the_tempered_density(model, image, temperature):
    tempered = model.predict(image, **AFTER).log_density.astype(np.float64) / temperature
    points = model.sample_scanpaths(image, 3000, 1, 0, temperature=temperature, **AFTER)[:, 0]
    assert fits(points, tiles(tempered - logsumexp(tempered))) > 1e-3
    assert fits(points, tiles(model.predict(image, **AFTER).log_density)) < 1e-3


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_temperature_is_an_error(model, image, temperature):
    message = rf"^temperature is {temperature:g}, expected a positive number$"
    with pytest.raises(ConfigError, match=message):
        model.sample_viewings(image, temperature=temperature)


def test_many_scanpaths_are_drawn_in_bounded_groups(model, image, monkeypatch):
    taken = []
    network = type(model.model.components[0].fixation)
    scores = network.scores
    monkeypatch.setattr(
        network,
        "scores",
        lambda self, scene, past: taken.append(len(past.x)) or scores(self, scene, past),
    )
    monkeypatch.setattr(scanpath_predictor, "TOGETHER", 50)
    expected = tiles(model.predict(image).log_density)
    taken.clear()
    points = model.sample_scanpaths(image, 1000, 1, 0)[:, 0]
    assert max(taken) == 50
    assert sum(taken) == 1000
    assert fits(points, expected) > 1e-3


def test_a_memory_of_one_fixation_is_enough_for_durations(tiny_checkpoint, tmp_path, image):
    path = tmp_path / "short.safetensors"
    save_toy_scanpath(path, tiny_checkpoint, components=1, fixation={"history": 1})
    model = load_model(str(path), device="cpu")
    assert [len(one) for one in model.sample_viewings(image, 2, length=3, seed=0)] == [3, 3]


def test_a_center_bias_of_the_users_is_used(model):
    image = picture(60, 80)
    flat = np.full((60, 80), -np.log(4800))
    uniform = model.predict(image, centerbias="uniform")
    np.testing.assert_allclose(
        uniform.log_density, model.predict(image, centerbias=flat).log_density, atol=1e-5
    )
    own = model.predict(image)
    given = model.predict(image, centerbias=density_of(60, 80))
    for first, second in pairwise([uniform, own, given]):
        assert np.abs(first.log_density - second.log_density).max() > 0.1
    paths = model.sample_scanpaths(image, 3, 2, 0, centerbias="uniform")
    assert not np.array_equal(paths, model.sample_scanpaths(image, 3, 2, 0))
    with pytest.raises(ShapeError, match=r"centerbias has shape \(60, 81\), expected \(60, 80\)"):
        model.sample_viewings(image, centerbias=np.zeros((60, 81)))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([128.0], [5.0], r"^x_hist has 128, outside the image: expected 0 <= x < 128 for an image"),
        ([5.0], [-1.0], r"^y_hist has -1, outside the image: expected 0 <= y < 96 for an image"),
        ([5.0, np.nan], [5.0, np.nan], "has NaN after a known fixation"),
        ([5.0, np.nan, 5.0], [5.0, np.nan, 5.0], "has NaN after a known fixation"),
        ([np.inf], [5.0], r"^x_hist holds infinity, expected pixels of the image$"),
        ([5.0], None, r"^y_hist is missing: a history needs both x_hist and y_hist$"),
    ],
)
def test_what_is_no_history_is_an_error(model, image, x, y, message):
    for call in (model.predict, model.sample_scanpaths, model.sample_viewings):
        with pytest.raises(ShapeError, match=message):
            call(image, x_hist=x, y_hist=y)


def test_scanpaths_go_on_from_a_history_that_is_not_part_of_them(model, image):
    history = np.random.default_rng(4).uniform(0, SIZE[::-1], (6, 2))
    given = {"x_hist": history[:, 0], "y_hist": history[:, 1]}
    for one in model.sample_viewings(image, 3, length=2, seed=0, **given):
        assert len(one) == 2
        assert one.has_durations
    expected = tiles(model.predict(image, **given).log_density)
    assert fits(model.sample_scanpaths(image, 3000, 1, 0, **given)[:, 0], expected) > 1e-3


def test_positions_are_scaled_to_the_working_size(model):
    small, large = picture(48, 64), picture(48, 64).repeat(2, 0).repeat(2, 1)
    at_small = model.predict(small, x_hist=[10.0], y_hist=[40.0]).log_density
    at_large = model.predict(large, x_hist=[20.0], y_hist=[80.0]).log_density
    coarse = np.log(np.exp(at_large).reshape(48, 2, 64, 2).sum((1, 3)))
    assert np.abs(coarse - at_small).max() < 0.5  # resizing to the working size differs a little
    unscaled = model.predict(large, x_hist=[10.0], y_hist=[40.0]).log_density
    assert np.abs(unscaled - at_large).max() > 1.0


def test_other_weights_have_another_digest(model, scanpath_checkpoint):
    other = load_model(str(scanpath_checkpoint), device="cpu")
    assert other.digest() == model.digest()
    other.model.viewing_ms += 1
    assert other.digest() != model.digest()
