"""How likely a scanpath mixture finds recorded durations."""

import numpy as np
import pytest
import torch

from foregaze.inference.zoo import load_model
from foregaze.models.next_fixation import Past
from foregaze.scanpath_metrics import Scanpath
from tests.inference.toy_deepgaze import picture

SCANPATH = Scanpath(
    np.array([40.0, 90.0, 20.0, 130.0, 70.0, 75.0]),
    np.array([60.0, 30.0, 100.0, 20.0, 80.0, 84.0]),
    np.array([210.0, 150.0, 320.0, 90.0, 400.0, 180.0]),
)


@pytest.fixture(scope="module")
def viewing(scanpath_checkpoint):
    model = load_model(str(scanpath_checkpoint), device="cpu")
    return model.on(picture(120, 160))


def after(scanpath: Scanpath, count: int) -> Scanpath:
    return Scanpath(scanpath.x[:count], scanpath.y[:count], scanpath.duration_ms[:count])


def test_densities_are_the_mean_of_the_components_densities(viewing):
    """Fixation by fixation, with histories as long as they are."""
    xy = np.column_stack([SCANPATH.x, SCANPATH.y]) * viewing.scale
    expected = []
    for last in range(len(SCANPATH)):
        latest_first = torch.from_numpy(xy[: last + 1][::-1].copy()).float()
        missing = torch.full((max(0, 5 - len(latest_first)), 2), torch.nan)
        x, y = torch.cat([latest_first, missing]).T.contiguous()
        before = torch.full((1, max(2, len(x) - 1)), torch.nan)
        before[0, :last] = torch.from_numpy(SCANPATH.duration_ms[:last][::-1].copy())
        own = torch.tensor([SCANPATH.duration_ms[last]], dtype=torch.float32)
        with torch.inference_mode():
            densities = [
                viewer.duration(
                    viewing.features,
                    viewing.log_density,
                    viewing.stride,
                    Past(x[None], y[None]),
                    before,
                ).log_prob(own)
                for viewer in viewing.model.components
            ]
        expected.append(np.log(np.mean([float(nats.exp()) for nats in densities])))
    found = viewing.log_prob_of_durations(SCANPATH)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert len(viewing.model.components) > 1


def test_later_fixations_do_not_matter(viewing):
    whole = viewing.log_prob_of_durations(SCANPATH)
    for count in (1, 2, 4):
        part = viewing.log_prob_of_durations(after(SCANPATH, count))
        np.testing.assert_allclose(part, whole[:count], rtol=1e-4)


def test_densities_of_a_duration_have_mass_one(viewing):
    at = np.exp(np.linspace(-5.0, 20.0, 2001))  # components may be as narrow as 0.03
    found = []
    for ms in at.tolist():
        durations = np.append(SCANPATH.duration_ms[:2], ms)
        scanpath = Scanpath(SCANPATH.x[:3], SCANPATH.y[:3], durations)
        found.append(viewing.log_prob_of_durations(scanpath)[2])
    mass = np.trapezoid(np.exp(found) * at, np.log(at))
    assert mass == pytest.approx(1, abs=1e-3)


def test_an_unknown_duration_has_no_density(viewing):
    durations = SCANPATH.duration_ms.copy()
    durations[3] = np.nan
    found = viewing.log_prob_of_durations(Scanpath(SCANPATH.x, SCANPATH.y, durations))
    assert np.flatnonzero(np.isnan(found)).tolist() == [3]
