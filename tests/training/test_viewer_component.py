"""What training maximizes, against the sampled model and plain sums over grids."""

import math

import numpy as np
import pytest
import torch

from foregaze.models.next_fixation import Past
from foregaze.ops.logdensity import normalize, pool
from foregaze.training.examples import History
from foregaze.training.spatial_maps import SPATIAL_DENSITY
from foregaze.training.viewer_component import ViewerComponent
from tests.inference.toy_scanpath import toy_scanpath

STAGE, STRIDE = 4, 16
GRID, DENSITY_GRID = (6, 8), (24, 32)
SIZE = (96, 128)
IMAGES, FIXATIONS, BEFORE = 2, 5, 16


@pytest.fixture(scope="module")
def viewer(tiny_checkpoint):
    return toy_scanpath(tiny_checkpoint, components=1).components[0].double()


@pytest.fixture
def component(viewer):
    return ViewerComponent(viewer, STAGE, float(STRIDE), density_factor=2).eval()


@pytest.fixture(scope="module")
def features(viewer):
    generator = torch.Generator().manual_seed(0)
    channels = viewer.fixation.norm.num_channels
    seen = torch.randn(IMAGES, channels, *GRID, generator=generator, dtype=torch.float64)
    scores = torch.randn(IMAGES, 1, *DENSITY_GRID, generator=generator, dtype=torch.float64)
    return {STAGE: seen, SPATIAL_DENSITY: normalize(scores)}


@pytest.fixture(scope="module")
def centerbias():
    generator = torch.Generator().manual_seed(1)
    return normalize(torch.randn(IMAGES, *DENSITY_GRID, generator=generator, dtype=torch.float64))


def history(**changes):
    """Fixations with 0, 1, 2, ... before them."""
    rng = np.random.default_rng(2)
    at = rng.uniform(0, SIZE[::-1], (IMAGES, FIXATIONS, 2))
    before = rng.uniform(0, SIZE[::-1], (IMAGES, FIXATIONS, BEFORE, 2))
    durations = rng.uniform(80, 600, (IMAGES, FIXATIONS, 1 + BEFORE))
    for number in range(FIXATIONS):
        before[:, number, number:] = np.nan
        durations[:, number, 1 + number :] = np.nan
    told = {
        "x": torch.from_numpy(before[..., 0]),
        "y": torch.from_numpy(before[..., 1]),
        "cell": torch.zeros(IMAGES, FIXATIONS, dtype=torch.int64),
        "at": torch.from_numpy(at),
        "duration_ms": torch.from_numpy(durations),
        "ended": torch.zeros(IMAGES, FIXATIONS, dtype=torch.bool),
    }
    return History(**(told | changes))


@torch.no_grad()
def scored(component, features, centerbias, told):
    return component.log_likelihoods(features, centerbias, told)


@torch.no_grad()
def test_positions_are_scored_on_the_coarser_grid_in_bits_over_uniform(
    component, viewer, features, centerbias
):
    told = history()
    found = scored(component, features, centerbias, told)["LL"]
    for image in range(IMAGES):
        coarse = tuple(side // 2 for side in DENSITY_GRID)
        density = pool(features[SPATIAL_DENSITY][image], coarse)[0]
        prior = pool(centerbias[image, None], coarse)[0]
        scene = viewer.fixation.scene(density, prior, features[STAGE][image], float(STRIDE))
        for number in range(FIXATIONS):
            past = Past(told.x[image, number, None], told.y[image, number, None])
            per_cell = viewer.fixation(scene, past)[0].exp()
            x, y = told.at[image, number].tolist()
            mass = per_cell[int(y // 8), int(x // 8)].item()  # cells of 8 x 8 pixels
            expected = math.log2(mass * 12 * 16)
            assert found[image, number].item() == pytest.approx(expected, abs=1e-9)
    assert found.std() > 0.5


@torch.no_grad()
def test_durations_are_scored_per_millisecond_and_cut_ones_by_survival(
    component, viewer, features, centerbias
):
    ended = torch.zeros(IMAGES, FIXATIONS, dtype=torch.bool)
    ended[:, 3] = True
    told = history(ended=ended)
    found = scored(component, features, centerbias, told)["duration_LL"]
    for image in range(IMAGES):
        density = pool(features[SPATIAL_DENSITY][image], (12, 16))[0]
        for number in range(FIXATIONS):
            x, y = (
                torch.cat([told.at[image, number, axis, None], before[image, number]])[None]
                for axis, before in ((0, told.x), (1, told.y))
            )
            mixture = viewer.duration(
                features[STAGE][image],
                density,
                float(STRIDE),
                Past(x, y),
                told.duration_ms[image, number, None, 1:],
            )
            weight, mean, deviation = (values[0].numpy() for values in mixture)
            lasted = told.duration_ms[image, number, 0].item()
            z = (math.log(lasted) - mean) / deviation
            if number == 3:
                each = [math.erfc(one / math.sqrt(2)) / 2 for one in z]
            else:
                each = np.exp(-(z**2) / 2) / (deviation * math.sqrt(2 * math.pi) * lasted)
            expected = math.log2(np.exp(weight) @ each)
            assert found[image, number].item() == pytest.approx(expected, abs=1e-9)


def test_a_duration_that_is_not_known_counts_for_nothing(component, features, centerbias):
    durations = history().duration_ms
    durations[0, 1, 0], durations[1, 2, 0] = torch.nan, 0.0
    told = history(duration_ms=durations)
    found = component.log_likelihoods(features, centerbias, told)["duration_LL"]
    assert found[0, 1] == found[1, 2] == 0
    assert (found != 0).sum() == IMAGES * FIXATIONS - 2
    component.zero_grad()
    found.sum().backward()
    gradients = [p.grad for p in component.viewer.duration.parameters()]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)


def test_every_parameter_learns_from_one_of_both(component, features, centerbias):
    component.zero_grad()
    sum(component.log_likelihoods(features, centerbias, history()).values()).sum().backward()
    for name, parameter in component.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_images_of_a_batch_do_not_mix(component, features, centerbias):
    told = history()
    together = scored(component, features, centerbias, told)
    last = {stage: maps[1:] for stage, maps in features.items()}
    alone = scored(component, last, centerbias[1:], History(*(column[1:] for column in told)))
    for name, values in together.items():
        torch.testing.assert_close(values[1:], alone[name], rtol=0, atol=1e-10)


def test_fixations_on_the_border_have_a_cell(component, features, centerbias):
    at = history().at
    at[:, 0] = torch.tensor([128.0, 96.0], dtype=at.dtype)  # a mirrored x of 0 is the width
    told = history(at=at)
    assert scored(component, features, centerbias, told)["LL"].isfinite().all()


def test_durations_are_the_same_on_every_grid_of_the_likelihood(viewer, features, centerbias):
    flat = features | {SPATIAL_DENSITY: normalize(torch.zeros_like(features[SPATIAL_DENSITY]))}
    fine, coarse = (
        scored(ViewerComponent(viewer, STAGE, float(STRIDE), factor), flat, centerbias, history())
        for factor in (1, 4)
    )
    torch.testing.assert_close(fine["duration_LL"], coarse["duration_LL"], rtol=0, atol=1e-9)
