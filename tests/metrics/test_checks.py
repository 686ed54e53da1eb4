"""What every metric does with input that it cannot score; values are in each metric's own tests."""

import inspect
import re
from typing import Any

import numpy as np
import pytest
import torch

from foregaze.errors import ShapeError
from foregaze.metrics import (
    METRICS,
    ConstantMapError,
    MetricEntry,
    NoFixationError,
    auc,
    nss,
    shuffled_auc,
)
from foregaze.metrics.checks import (
    as_distribution,
    check_positions,
    double,
    refuse_constant,
    values_at,
)

SIZE = (64, 96)
MAPS = ("log_density", "baseline_log_density", "saliency_map", "baseline_map", "empirical_map")
PER_FIXATION = [name for name in METRICS if name in {"LL", "IG", "NSS", "AUC", "sAUC"}]
OF_FIXATIONS = [
    name for name in METRICS if "x" in inspect.signature(METRICS[name].function).parameters
]
OF_IMAGES = [name for name in OF_FIXATIONS if name not in PER_FIXATION]
OF_MAPS = [name for name in METRICS if name not in OF_FIXATIONS]


def inputs(entry: MetricEntry, **other: Any) -> dict[str, Any]:
    """What a metric needs of an image with three fixations, with some of it replaced."""
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {name: rng.random(SIZE) for name in MAPS}
    given |= {
        "x": np.array([0, 95, 40]),
        "y": np.array([63, 0, 20]),
        "other_x": np.array([1, 50]),
        "other_y": np.array([2, 30]),
        "rng": np.random.default_rng(1),
    }
    given |= other
    wanted = inspect.signature(entry.function).parameters
    return {name: value for name, value in given.items() if name in wanted}


def as_tensors(given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in given.items()
    }


def as_given(given: dict[str, Any]) -> dict[str, Any]:
    return given


KINDS = pytest.mark.parametrize("kind", [as_given, as_tensors])


@KINDS
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", METRICS)
def test_map_with_a_value_that_is_not_finite_is_an_error(name, wrong, kind):
    entry = METRICS[name]
    for changed in [key for key in inputs(entry) if key in MAPS]:
        bad = np.random.default_rng(0).random(SIZE)
        bad[0, 95] = wrong  # fixated: densities may be impossible elsewhere
        with pytest.raises(ShapeError, match=r"1 of .* (are|is) infinite or no number"):
            entry.function(**kind(inputs(entry, **{changed: bad})))


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("name", METRICS)
def test_maps_of_two_sizes_are_an_error(name):
    entry = METRICS[name]
    given = inputs(entry)
    for changed in [key for key in MAPS if key in given][1:]:
        given[changed] = np.random.default_rng(0).random((96, 64))
        message = r"shapes are \(\d+, \d+\) and \(\d+, \d+\), expected equal ones: resize the map"
        with pytest.raises(ShapeError, match=message):
            entry.function(**given)


@KINDS
@pytest.mark.parametrize(("x", "y"), [(96, 0), (-1, 3), (5, 64), (5, -2)])
@pytest.mark.parametrize("name", OF_FIXATIONS)
def test_fixation_outside_is_an_error_that_says_where(name, x, y, kind):
    entry = METRICS[name]
    bad = kind(inputs(entry, x=np.array([0, x, 1]), y=np.array([0, y, 1])))
    message = f"1 of 3 fixations lie outside the 64x96 map, the first at column {x}, row {y}: drop"
    with pytest.raises(ShapeError, match=re.escape(message)):
        entry.function(**bad)


@KINDS
@pytest.mark.parametrize("name", PER_FIXATION)
def test_no_fixations_have_no_values(name, kind):
    nothing = np.empty(0, np.int64)
    values = METRICS[name].function(**kind(inputs(METRICS[name], x=nothing, y=nothing)))
    assert tuple(values.shape) == (0,)


@KINDS
@pytest.mark.parametrize("name", OF_IMAGES)
def test_image_without_fixations_has_no_score(name, kind):
    nothing = np.empty(0, np.int64)
    with pytest.raises(NoFixationError, match="no fixation on the image, so it has no score"):
        METRICS[name].function(**kind(inputs(METRICS[name], x=nothing, y=nothing)))


@KINDS
@pytest.mark.parametrize("name", [name for name in OF_FIXATIONS if name != "AUC-Borji"])
def test_fixations_all_on_one_pixel_are_scored_as_one(name, kind):
    entry = METRICS[name]
    four = inputs(entry, x=np.full(4, 40), y=np.full(4, 20))
    one = inputs(entry, x=np.array([40]), y=np.array([20]))
    values = np.atleast_1d(entry.function(**kind(four)))
    expected = np.atleast_1d(entry.function(**kind(one)))
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values, np.broadcast_to(expected, values.shape))


@KINDS
@pytest.mark.parametrize(
    "name", ["NSS", "CC", "AUC-Judd", "AUC-Borji", "sAUC-MIT", "NSS-MIT", "SIM-MIT", "IG-MIT"]
)
def test_constant_map_is_an_error_where_it_has_no_value(name, kind):
    entry = METRICS[name]
    given = inputs(entry, saliency_map=np.full(SIZE, 0.1))
    given |= {"rng": None} if name == "AUC-Judd" else {}  # its noise makes the map vary
    with pytest.raises(ConstantMapError, match="is not defined for a constant map"):
        entry.function(**kind(given))


@KINDS
@pytest.mark.parametrize("name", ["AUC", "sAUC", "KLDiv", "SIM", "EMD"])
def test_constant_map_has_a_value_where_it_means_something(name, kind):
    entry = METRICS[name]
    value = entry.function(**kind(inputs(entry, saliency_map=np.full(SIZE, 0.1))))
    uniform = entry.function(**kind(inputs(entry, saliency_map=np.zeros(SIZE))))
    np.testing.assert_allclose(value, uniform, rtol=1e-12)


@KINDS
@pytest.mark.parametrize("name", PER_FIXATION)
def test_batch_needs_a_column_image_and_a_single_map_has_none(name, kind):
    entry = METRICS[name]
    single = inputs(entry)
    batch = {key: np.stack([value] * 2) if key in MAPS else value for key, value in single.items()}
    with pytest.raises(ShapeError, match=r"map of shape \(2, 64, 96\) without a column 'image'"):
        entry.function(**kind(batch))
    with pytest.raises(ShapeError, match=r"map of shape \(64, 96\) with a column 'image'"):
        entry.function(**kind(single | {"image": np.zeros(3, np.int64)}))


@KINDS
@pytest.mark.parametrize("image", [-1, 2])
@pytest.mark.parametrize("name", PER_FIXATION)
def test_fixation_on_a_map_that_the_batch_has_not_is_an_error(name, image, kind):
    entry = METRICS[name]
    given = inputs(entry, image=np.array([0, image, 1]), other_image=np.array([0, 1]))
    batch = {key: np.stack([value] * 2) if key in MAPS else value for key, value in given.items()}
    with pytest.raises(ShapeError, match="1 of 3 fixations lie outside the 64x96 map"):
        entry.function(**kind(batch))


def test_values_are_read_at_row_y_and_column_x():
    values = np.arange(12.0).reshape(3, 4)
    assert values_at(values, x=np.array([3, 0]), y=np.array([0, 2])).tolist() == [3.0, 8.0]


def test_message_counts_the_fixations_outside():
    with pytest.raises(ShapeError, match="2 of 3 fixations lie outside the 3x4 map"):
        values_at(np.zeros((3, 4)), np.array([0, 4, 0]), np.array([0, 0, -1]))


def test_message_counts_the_values_that_are_not_finite():
    values = np.array([[np.inf, -np.inf, 1.0], [np.nan, 0.0, 2.0]])
    with pytest.raises(ShapeError, match="CC: 3 of 6 values are infinite or no number"):
        double(values, "CC")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_whose_spread_overflows_are_finite(dtype):
    largest = np.finfo(dtype).max
    values = np.array([[-largest, largest]])
    np.testing.assert_array_equal(double(values, "NSS"), values)
    refuse_constant(values, "NSS")


def test_map_that_varies_by_a_thousandth_of_a_nat_is_not_constant():
    log_density = np.full((600, 800), -13.08, dtype=np.float32)
    log_density[0, 0] += 1e-3
    refuse_constant(log_density, "NSS")
    with pytest.raises(ConstantMapError, match="NSS is not defined for a constant map"):
        refuse_constant(log_density[1:], "NSS")


def test_each_map_of_a_batch_is_made_a_distribution_of_its_own():
    maps = np.array([[[1.0, 3.0]], [[0.0, 0.0]], [[-1.0, 1.0]]])
    expected = [[[0.25, 0.75]], [[0.5, 0.5]], [[0.0, 1.0]]]
    assert as_distribution(maps, "SIM").tolist() == expected
    assert as_distribution(torch.from_numpy(maps), "SIM").tolist() == expected


@pytest.mark.parametrize("metric", [nss, auc, lambda m, x, y: shuffled_auc(m, x, y, x, y)])
def test_maps_of_integers_score_as_in_float64(metric):
    gray = np.random.default_rng(0).integers(0, 256, (70, 90)).astype(np.uint8)
    x, y = np.array([3, 50, 80]), np.array([60, 3, 9])
    expected = metric(gray.astype(np.float64), x, y)
    np.testing.assert_array_equal(metric(gray, x, y), expected)
    tensors = (torch.from_numpy(values) for values in (gray, x, y))
    np.testing.assert_allclose(metric(*tensors).numpy(), expected, rtol=1e-12)


@pytest.mark.usefixtures("no_shape_checks")
def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ShapeError, match=r"have the lengths \[2, 1\], expected equal ones"):
        check_positions(np.zeros((3, 4)), np.array([0, 1]), np.array([0]))
