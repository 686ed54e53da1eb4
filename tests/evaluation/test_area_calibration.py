import json

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from foregaze.errors import DataError, ShapeError
from foregaze.evaluation.area_calibration import calibrate_areas, hot_spots, quadrants


def calibrate(image, predicted, observed, observers, **options):
    return calibrate_areas(
        np.array(image),
        np.array(predicted, dtype=float),
        np.array(observed, dtype=float),
        np.array(observers),
        **options,
    )


def test_the_error_is_the_weighted_distance_in_each_bin():
    found = calibrate([0, 0, 1, 1], [0.12, 0.18, 0.5, 1.0], [0.3, 0.1, 0.5, 0.8], [10, 30, 20, 40])
    # bin 1: predicted (1.2 + 5.4) / 40, observed (3 + 3) / 40; bin 5: equal; bin 9: 1 and 0.8
    assert found.error == pytest.approx((40 * 0.6 / 40 + 40 * 0.2) / 100)
    assert (found.images, found.areas, found.trials) == (2, 4, 100)
    assert [b.areas for b in found.bins] == [0, 2, 0, 0, 0, 1, 0, 0, 0, 1]
    second = found.bins[1]
    assert (second.low, second.high, second.trials) == (0.1, 0.2, 40)
    assert second.predicted == pytest.approx(0.165)
    assert second.observed == pytest.approx(0.15)
    assert found.bins[0].predicted is None
    assert found.bins[0].observed is None
    json.dumps(found.to_json(), allow_nan=False)


def test_predictions_that_are_right_have_no_error():
    found = calibrate(range(5), [0, 0.25, 0.5, 0.75, 1], [0, 0.25, 0.5, 0.75, 1], [4] * 5)
    assert found.error == 0
    assert found.ci95 == (0, 0)


def test_a_constant_excess_is_the_error_and_its_interval():
    shares = np.linspace(0, 0.8, 30)
    found = calibrate(np.arange(30) // 3, shares + 0.1, shares, [15] * 30)
    assert found.error == pytest.approx(0.1)
    assert found.ci95 == pytest.approx((0.1, 0.1))


def test_the_bootstrap_draws_images():
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(20), 5)
    predicted, observed = rng.uniform(0, 1, (2, 100))
    observers = rng.integers(5, 16, 100)
    found = calibrate(image, predicted, observed, observers, resamples=400)
    errors = []
    for drawn in rng.integers(0, 20, (400, 20)):
        rows = np.concatenate([np.flatnonzero(image == i) for i in drawn])
        one = calibrate(image[rows], predicted[rows], observed[rows], observers[rows], resamples=1)
        errors.append(one.error)
    # two bootstraps of 400 resamples with other seeds
    assert found.ci95 == pytest.approx(np.quantile(errors, [0.025, 0.975]), abs=0.02)
    assert found == calibrate(image, predicted, observed, observers, resamples=400)


def test_one_image_has_no_interval():
    assert calibrate([3, 3], [0.1, 0.9], [0, 1], [5, 5]).ci95 is None


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (([], [], [], []), DataError, "there are no areas to calibrate"),
        (([0], [1.1], [0], [1]), DataError, "a value of predicted is not in 0 to 1"),
        (([0], [np.nan], [0], [1]), DataError, "a value of predicted is not in 0 to 1"),
        (([0], [1], [-0.1], [1]), DataError, "a value of observed is not in 0 to 1"),
        (([0], [1], [0], [0]), DataError, "an area has no observers; leave it out"),
    ],
)
def test_wrong_columns_are_refused(columns, error, message):
    image, predicted, observed, observers = columns
    with pytest.raises(error, match=message):
        calibrate(np.array(image, dtype=int), predicted, observed, np.array(observers, dtype=int))


def test_columns_of_different_lengths_are_refused():
    # where annotations are checked, jaxtyping comes first
    with pytest.raises((ShapeError, TypeCheckError), match=r"2 images, 1 predictions|'predicted'"):
        calibrate([0, 0], [1], [1], [1])


@pytest.mark.parametrize("size", [(60, 80), (5, 7), (1, 1)])
def test_quadrants_share_the_image(size):
    areas = quadrants(size)
    assert [area.name for area in areas] == ["top left", "top right", "bottom left", "bottom right"]
    assert [area.area_px for area in areas] == [size[0] * size[1] / 4] * 4
    y, x = (axis.ravel() for axis in np.mgrid[: size[0] : 0.5, : size[1] : 0.5])
    np.testing.assert_array_equal(sum(area.contains(x, y).astype(int) for area in areas), 1)


def density(*blobs, size=(60, 80)):
    """Log density of squares of 5x5 pixels at x, y with shares of the mass, and a floor."""
    mass = np.full(size, 1e-9)
    for x, y, share in blobs:
        mass[y : y + 5, x : x + 5] = share / 25
    return np.log(mass / mass.sum())


def test_hot_spots_are_the_heaviest_connected_parts():
    log_density = density((10, 10, 0.3), (40, 10, 0.5), (60, 40, 0.2))
    areas = hot_spots(log_density, share=0.9)
    assert [(area.name, area.area_px) for area in areas] == [
        ("hot spot 1", 25),
        ("hot spot 2", 25),
        ("hot spot 3", 25),
    ]
    inside = areas[0].contains(np.array([40.0, 44.9, 45.0]), np.array([10.0, 14.9, 12.0]))
    np.testing.assert_array_equal(inside, [True, True, False])
    assert [area.area_px for area in hot_spots(log_density, share=0.6)] == [25, 25]
    assert len(hot_spots(log_density, share=0.9, most=2)) == 2
    assert len(hot_spots(log_density, share=0.9, least_mass=0.25)) == 2
    assert hot_spots(log_density, share=0.9, least_mass=0.6) == []


def test_hot_spots_hold_the_share_of_the_mass():
    y, x = np.mgrid[:60, :80] + 0.5
    log_density = -((x - 30) ** 2 + (y - 30) ** 2) / (2 * 8.0**2)
    log_density -= np.log(np.exp(log_density).sum())
    (area,) = hot_spots(log_density)
    inside = area.contains(x.ravel(), y.ravel())
    # at most one ring of equal pixels more than half
    assert np.exp(log_density.ravel()[inside]).sum() == pytest.approx(0.5, abs=0.01)


def test_a_share_out_of_range_is_refused():
    with pytest.raises(ShapeError, match="expected values above 0, at most 1"):
        hot_spots(density((1, 1, 1)), share=1.5)
