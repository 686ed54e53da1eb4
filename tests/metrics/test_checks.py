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
    nss_mit,
    shuffled_auc,
)
from foregaze.metrics.checks import (
    as_distribution,
    check_positions,
    double,
    refuse_constant,
    refuse_unnormalized,
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


def batch_inputs(entry: MetricEntry, **other: Any) -> dict[str, Any]:
    """What a metric needs of three images, whose fixations come in no order."""
    rng = np.random.default_rng(2)
    image, other_image = rng.permutation(np.arange(24) % 3), rng.permutation(np.arange(18) % 3)
    given: dict[str, Any] = {name: rng.random((3, *SIZE)) for name in MAPS}
    given |= {"x": rng.integers(0, 96, 24), "y": rng.integers(0, 64, 24), "image": image}
    given |= {"other_x": rng.integers(0, 96, 18), "other_y": rng.integers(0, 64, 18)}
    return inputs(entry, **given | {"other_image": other_image, "splits": 5} | other)


def of_image(given: dict[str, Any], i: int) -> dict[str, Any]:
    """What a metric needs of one image of a batch."""
    single = {}
    for key, value in given.items():
        column = "other_image" if key.startswith("other_") else "image"
        if key in MAPS:
            single[key] = value[i]
        elif key in {"rng", "splits"}:
            single[key] = value
        elif key != column:
            single[key] = value[given[column] == i]
    return single


@KINDS
@pytest.mark.parametrize("name", METRICS)
def test_batch_has_the_values_of_its_images_one_by_one(name, kind):
    function = METRICS[name].function
    values = function(**kind(batch_inputs(METRICS[name])))
    assert isinstance(values, torch.Tensor) == (kind is as_tensors)
    given = kind(batch_inputs(METRICS[name]))  # with a new generator, used up image by image
    singles = [function(**of_image(given, i)) for i in range(3)]
    if name in PER_FIXATION:
        for i, single in enumerate(singles):
            np.testing.assert_allclose(values[given["image"] == i], single, rtol=1e-12)
        return
    assert tuple(values.shape) == (3,)
    assert all(tuple(single.shape) == () for single in singles)
    np.testing.assert_allclose(values, singles, rtol=1e-12)
    assert len(np.unique(values)) == 3


@KINDS
@pytest.mark.parametrize("name", OF_IMAGES)
def test_image_of_a_batch_without_fixations_is_named(name, kind):
    given = batch_inputs(METRICS[name], image=np.arange(24) % 2 * 2)
    message = "image 1 of the batch: there is no fixation on the image"
    with pytest.raises(NoFixationError, match=message):
        METRICS[name].function(**kind(given))


@KINDS
@pytest.mark.parametrize("name", ["AUC-Borji", "sAUC-MIT", "NSS-MIT", "IG-MIT"])
def test_constant_map_of_a_batch_is_named(name, kind):
    given = batch_inputs(METRICS[name])
    given["saliency_map"][2] = 0.1
    with pytest.raises(ConstantMapError, match=r"image 2 of the batch: .* for a constant map"):
        METRICS[name].function(**kind(given))


@KINDS
@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("shape", [(96,), (1, 1, *SIZE)])
@pytest.mark.parametrize("name", METRICS)
def test_map_that_is_neither_one_nor_a_batch_is_an_error(name, shape, kind):
    given = inputs(METRICS[name])
    given |= {key: np.random.default_rng(0).random(shape) for key in MAPS if key in given}
    message = f"map of shape {shape}, expected (H, W) or a batch (B, H, W)"
    with pytest.raises(ShapeError, match=re.escape(message)):
        METRICS[name].function(**kind(given))


@KINDS
@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("name", METRICS)
def test_complex_map_is_an_error(name, kind):
    given = inputs(METRICS[name])
    given |= {key: given[key] * 1j for key in MAPS if key in given}
    with pytest.raises(ShapeError, match=r"map of shape \(64, 96\) has complex values"):
        METRICS[name].function(**kind(given))


@KINDS
@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("column", ["x", "y"])
@pytest.mark.parametrize("name", OF_FIXATIONS)
def test_positions_that_are_not_integers_are_an_error(name, column, kind):
    given = inputs(METRICS[name])
    given[column] = given[column] + 0.5
    message = r"columns of fixations are pixel indices \(integers\); use floor of the position"
    with pytest.raises(ShapeError, match=message):
        METRICS[name].function(**kind(given))


@KINDS
@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("name", OF_FIXATIONS)
def test_images_that_are_not_integers_are_an_error(name, kind):
    given = batch_inputs(METRICS[name])
    given["image"] = given["image"] > 0
    with pytest.raises(ShapeError, match=r"column 'image' has .*bool, expected indices of maps"):
        METRICS[name].function(**kind(given))


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_small_integers_do_not_overflow_where_pixels_are_numbered(dtype):
    saliency_map = np.random.default_rng(0).random((300, 400))
    x, y = np.array([399, 5, 200]), np.array([299, 7, 150])
    assert nss_mit(saliency_map, x.astype(dtype), y.astype(dtype)) == nss_mit(saliency_map, x, y)


@KINDS
@pytest.mark.parametrize("name", OF_FIXATIONS)
def test_batch_needs_a_column_image_and_a_single_map_has_none(name, kind):
    entry = METRICS[name]
    single = inputs(entry)
    batch = {key: np.stack([value] * 2) if key in MAPS else value for key, value in single.items()}
    with pytest.raises(ShapeError, match=r"map of shape \(2, 64, 96\) without a column 'image'"):
        entry.function(**kind(batch))
    with pytest.raises(ShapeError, match=r"map of shape \(64, 96\) with a column 'image'"):
        entry.function(**kind(single | {"image": np.zeros(3, np.int64)}))


@KINDS
@pytest.mark.parametrize("image", [-1, 2, 5])
@pytest.mark.parametrize("name", OF_FIXATIONS)
def test_fixation_on_a_map_that_the_batch_has_not_is_an_error(name, image, kind):
    entry = METRICS[name]
    given = inputs(entry, image=np.array([0, image, 1]), other_image=np.array([0, 1]))
    batch = {key: np.stack([value] * 2) if key in MAPS else value for key, value in given.items()}
    with pytest.raises(ShapeError, match=f"fixation 1 is on map {image} of a batch of 2"):
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
    np.testing.assert_allclose(metric(gray, x, y), expected, rtol=1e-12)
    tensors = (torch.from_numpy(values) for values in (gray, x, y))
    np.testing.assert_allclose(metric(*tensors).numpy(), expected, rtol=1e-12)


@pytest.mark.usefixtures("no_shape_checks")
def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ShapeError, match=r"have the lengths \[2, 1\], expected equal ones"):
        check_positions(np.zeros((3, 4)), np.array([0, 1]), np.array([0]))


def log_densities(dtype: type = np.float64) -> np.ndarray:
    density = np.random.default_rng(0).random((3, *SIZE))
    return np.log(density / density.sum((1, 2), keepdims=True)).astype(dtype)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_densities_that_sum_to_one_are_let_through(dtype, convert):
    batch = log_densities(dtype)
    refuse_unnormalized(convert(batch))
    refuse_unnormalized(convert(batch[0]))
    quarter = np.full((2, 4), -np.inf, dtype=dtype)
    quarter[1, 2:] = np.log(0.5)
    refuse_unnormalized(convert(quarter))  # impossible pixels


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize(("share", "said"), [(2.0, "2"), (0.25, "0.25"), (1.002, "1.002")])
def test_density_that_does_not_sum_to_one_is_refused_with_its_sum(share, said, convert):
    batch = log_densities()
    batch[1] += np.log(share)
    message = f"exp of the log density sums to {re.escape(said)} instead of 1: subtract its"
    with pytest.raises(ShapeError, match=f"^image 1 of the batch: {message}"):
        refuse_unnormalized(convert(batch))
    with pytest.raises(ShapeError, match=f"^{message}"):
        refuse_unnormalized(convert(batch[1]))
    refuse_unnormalized(convert(batch), tolerance=1.5)


def test_density_in_single_precision_is_summed_in_double():
    log_density = np.full((3000, 3000), -np.log(9e6), dtype=np.float32)
    refuse_unnormalized(log_density, tolerance=1e-6)
    refuse_unnormalized(torch.from_numpy(log_density).requires_grad_(), tolerance=1e-6)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_extreme_maps_are_no_densities(convert):
    for level, said in ((1e4, r"sums to e\^10001.8 instead"), (-1e4, "sums to 0 instead")):
        with pytest.raises(ShapeError, match=said):
            refuse_unnormalized(convert(np.full((2, 3), level)))
    with pytest.raises(ShapeError, match="sums to 0 instead"):
        refuse_unnormalized(convert(np.full((2, 3), -np.inf)))
    for wrong in (np.nan, np.inf):
        with pytest.raises(ShapeError, match="1 of 2 log densities are infinite or no number"):
            refuse_unnormalized(convert(np.array([[0.0, wrong]])))


@pytest.mark.usefixtures("no_shape_checks")
def test_only_maps_and_batches_of_maps_can_be_densities():
    with pytest.raises(ShapeError, match=r"map of shape \(4,\), expected \(H, W\) or a batch"):
        refuse_unnormalized(np.zeros(4))
