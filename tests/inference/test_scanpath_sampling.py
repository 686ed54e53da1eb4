import numpy as np
import pytest
import torch

from foregaze.errors import ConfigError
from foregaze.inference.zoo import load_model
from foregaze.ops.finalizer import mean_density
from tests.inference.toy_deepgaze import picture, save_toy

SEEN = {"pixels_per_degree": 35.0}
CELL = 20
"""Pixels on a side of the squares in which samples are counted."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = save_toy(tmp_path_factory.mktemp("toy") / "toy3.safetensors", "deepgaze3")
    return load_model(str(path), device="cpu")


def shares_of(log_density: np.ndarray) -> np.ndarray:
    """Mass of each square."""
    height, width = log_density.shape
    density = np.exp(log_density.astype(np.float64))
    return density.reshape(height // CELL, CELL, width // CELL, CELL).sum((1, 3))


def distance(scanpaths: np.ndarray, step: int, expected: np.ndarray) -> float:
    """Total variation between samples of a step and the mass of squares."""
    x, y = scanpaths[:, step].T
    counts, _, _ = np.histogram2d(y // CELL, x // CELL, [np.arange(n + 1) for n in expected.shape])
    return 0.5 * float(np.abs(counts / len(scanpaths) - expected).sum())


def test_all_scanpaths_take_one_pass_of_the_backbone(model):
    passes = []
    handle = model.model.backbones[0].register_forward_hook(lambda *_: passes.append(1))
    try:
        model.sample_scanpaths(picture(), n=10, length=10, seed=0, **SEEN)
    finally:
        handle.remove()
    assert len(passes) == 1


def test_all_that_is_asked_about_an_image_takes_one_pass_of_the_backbone(model):
    passes = []
    handle = model.model.backbones[0].register_forward_hook(lambda *_: passes.append(1))
    history = np.array([[30.0, 90.0]])
    try:
        conditional = model.on(picture(), **SEEN)
        found = conditional(history).log_density
        scanpaths = conditional.sample(history, 3, 2, 0)
    finally:
        handle.remove()
    assert len(passes) == 1
    given = {"x_hist": [30.0], "y_hist": [90.0], **SEEN}
    np.testing.assert_array_equal(found, model.predict(picture(), **given).log_density)
    expected = model.sample_scanpaths(picture(), n=3, length=2, seed=0, **given)
    np.testing.assert_array_equal(scanpaths, expected)


def test_the_same_seed_gives_the_same_scanpaths(model):
    first, again = (model.sample_scanpaths(picture(), n=4, length=3, seed=1, **SEEN) for _ in "ab")
    np.testing.assert_array_equal(first, again)
    other = model.sample_scanpaths(picture(), n=4, length=3, seed=2, **SEEN)
    assert not np.array_equal(first, other)
    unseeded = [model.sample_scanpaths(picture(), n=4, length=3, **SEEN) for _ in "ab"]
    assert not np.array_equal(*unseeded)


@pytest.mark.parametrize("size", [(120, 160), (97, 143), (61, 201)])
@pytest.mark.parametrize("resolution", [20.0, 35.0, 50.0])
def test_fixations_lie_inside_the_image_and_can_be_a_history(model, size, resolution):
    image = picture(*size)
    paths = model.sample_scanpaths(image, n=20, length=5, seed=3, pixels_per_degree=resolution)
    assert paths.shape == (20, 5, 2)
    assert (paths >= 0).all()
    assert (paths < np.array(size[::-1])).all()
    for path in paths:
        model.predict(image, x_hist=path[:, 0], y_hist=path[:, 1], pixels_per_degree=resolution)


def test_first_fixations_follow_the_density_of_the_mixture(model):
    given = {"x_hist": [30.0, 120.0], "y_hist": [90.0, 20.0], **SEEN}
    expected = shares_of(model.predict(picture(), **given).log_density)
    scanpaths = model.sample_scanpaths(picture(), n=4000, length=1, seed=0, **given)
    noise = 0.5 * np.sqrt(2 * expected * (1 - expected) / np.pi / 4000).sum()  # its mean
    assert distance(scanpaths, 0, expected) < 2 * noise
    assert 2 * noise < 0.1


def test_that_comparison_tells_the_mixture_from_each_of_its_components(model):
    conditional = model.on(picture(), **SEEN)
    history = np.array([[30.0, 90.0], [120.0, 20.0]])
    expected = shares_of(conditional(history).log_density)
    columns = [torch.full((1, 4), torch.nan) for _ in "xy"]
    for column, values in zip(columns, history[::-1].T, strict=True):
        column[0, :2] = torch.from_numpy(values.copy())
    parts = model.model.head.after(
        conditional.scene, conditional.grid, conditional.sampled, *columns
    )
    for part in torch.cat(list(parts), 1).unbind(1):
        alone = conditional.grid.repeated(mean_density(iter([part[:, None]])))[0].numpy()
        assert 0.5 * np.abs(shares_of(alone) - expected).sum() > 0.1


def test_later_fixations_follow_the_density_after_those_before_them(model):
    scanpaths = model.sample_scanpaths(picture(), n=400, length=2, seed=0, **SEEN)
    conditional = model.on(picture(), **SEEN)
    expected = np.mean(
        [
            shares_of(conditional(np.array([[80.0, 60.0], first])).log_density)
            for first in scanpaths[:, 0]
        ],
        axis=0,
    )
    noise = 0.5 * np.sqrt(2 * expected * (1 - expected) / np.pi / 400).sum()
    assert distance(scanpaths, 1, expected) < 2 * noise
    assert distance(scanpaths, 0, expected) > 2 * noise


def test_samples_spread_within_the_cells_of_the_density(model):
    x, y = model.sample_scanpaths(picture(), n=2000, length=1, seed=0, **SEEN)[:, 0].T
    for place in (x % 4, y % 4):  # a cell has 4 x 4 pixels
        counts, _ = np.histogram(place, 4, (0, 4))
        assert counts.min() > 400


@pytest.mark.parametrize("counts", [{"n": 0}, {"length": 0}, {"length": -1}])
def test_no_scanpaths_or_scanpaths_of_nothing_are_refused(model, counts):
    ((name, value),) = counts.items()
    with pytest.raises(ConfigError, match=f"^{name} is {value}, expected a whole number from 1$"):
        model.sample_scanpaths(picture(), **counts, **SEEN)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_other_temperatures_follow_the_tempered_density_of_the_mixture(model, temperature):
    log_density = model.predict(picture(), **SEEN).log_density.astype(np.float64) / temperature
    expected = shares_of(log_density - np.log(np.exp(log_density).sum()))
    scanpaths = model.sample_scanpaths(
        picture(), n=1500, length=1, seed=0, temperature=temperature, **SEEN
    )
    noise = 0.5 * np.sqrt(2 * expected * (1 - expected) / np.pi / 1500).sum()
    assert distance(scanpaths, 0, expected) < 2 * noise
    usual = shares_of(model.predict(picture(), **SEEN).log_density)
    assert distance(scanpaths, 0, usual) > 2 * noise


def test_a_low_temperature_draws_the_likeliest_place(model):
    log_density = model.predict(picture(), **SEEN).log_density
    paths = model.sample_scanpaths(picture(), n=20, length=1, seed=0, temperature=1e-3, **SEEN)
    column, row = paths[:, 0].astype(int).T
    np.testing.assert_allclose(log_density[row, column], log_density.max(), atol=0.02)


def test_temperature_one_is_the_default(model):
    usual = model.sample_scanpaths(picture(), n=4, length=2, seed=1, **SEEN)
    given = model.sample_scanpaths(picture(), n=4, length=2, seed=1, temperature=1.0, **SEEN)
    np.testing.assert_array_equal(usual, given)


def test_seconds_need_durations(model):
    with pytest.raises(ConfigError, match="does not say how long fixations last: give a length"):
        model.sample_viewings(picture(), seconds=2.0, **SEEN)
