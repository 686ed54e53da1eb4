import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foregaze.metrics.ranking import count_below, share_below

MANY = 5000
"""Enough to be counted in buckets."""


def brute_force(positives: np.ndarray, negatives: np.ndarray) -> tuple[list[int], list[int]]:
    smaller = (negatives < positives[:, None]).sum(1)
    return smaller.tolist(), (negatives <= positives[:, None]).sum(1).tolist()


def check(positives: np.ndarray, negatives: np.ndarray) -> None:
    expected = brute_force(positives, negatives)
    counts = count_below(positives, negatives)
    assert tuple(count.tolist() for count in counts) == expected
    share = (np.array(expected[0]) + np.array(expected[1])) / 2 / len(negatives)
    assert share_below(positives, negatives).tolist() == share.tolist()
    tensors = torch.from_numpy(positives), torch.from_numpy(negatives)
    assert tuple(count.tolist() for count in count_below(*tensors)) == expected
    assert share_below(*tensors).tolist() == share.tolist()


def with_neighbors(negatives: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Some of the values, what lies next to them, the extremes, and what is beyond."""
    some = rng.choice(negatives, 10)
    dtype = negatives.dtype.type
    beside = [np.nextafter(some, dtype(way)) for way in (-np.inf, np.inf)]
    ends = np.array([negatives.min(), negatives.max(), 0], dtype)
    positives = np.concatenate([some, *beside, ends])
    return positives[np.isfinite(positives)]


SPREADS = {np.float32: (-44.0, 38.0), np.float64: (-320.0, 307.0)}
"""Powers of ten from subnormal to nearly the largest."""


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64]),
    share_of_range=st.floats(0, 1),
    offset=st.floats(-2, 2),
    levels=st.sampled_from([2, 7, 1000, 10**9]),
    count=st.sampled_from([1, 300, MANY]),
)
def test_counts_are_those_of_comparing_all_pairs(
    seed, dtype, share_of_range, offset, levels, count
):
    rng = np.random.default_rng(seed)
    low, high = SPREADS[dtype]
    scale = 10.0 ** (low + share_of_range * (high - low))
    values = (rng.integers(0, levels, count) / levels + offset) * scale
    negatives = values.astype(dtype)
    with np.errstate(under="ignore"):
        check(with_neighbors(negatives, rng), negatives)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_spread_that_its_number_type_cannot_hold_is_counted_right(dtype):
    rng = np.random.default_rng(0)
    largest = np.finfo(dtype).max
    negatives = (rng.uniform(-1, 1, MANY) * largest).astype(dtype)
    negatives[:2] = -largest, largest
    check(negatives[:40], negatives)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_spread_of_one_step_above_zero_is_counted_right(dtype):
    negatives = np.zeros(MANY, dtype)
    negatives[::3] = np.nextafter(dtype(0), dtype(1))
    check(negatives[:5], negatives)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 40))
def test_values_crowded_into_few_buckets_are_counted_right(seed, power):
    rng = np.random.default_rng(seed)
    negatives = rng.random(MANY) ** power
    check(with_neighbors(negatives, rng), negatives)


def test_positives_beyond_all_negatives_have_none_or_all_below():
    negatives = np.random.default_rng(0).random(MANY)
    shares = share_below(np.array([-5.0, 7.0]), negatives)
    assert shares.tolist() == [0, 1]


def test_no_positives_have_no_shares():
    assert share_below(np.empty(0), np.random.default_rng(0).random(MANY)).shape == (0,)
    assert share_below(torch.empty(0), torch.rand(MANY)).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_precision_tensors_are_counted_right(dtype):
    negatives = torch.rand(MANY, generator=torch.Generator().manual_seed(0)).to(dtype)
    positives = negatives[:50]
    smaller, not_larger = count_below(positives, negatives)
    expected = brute_force(positives.double().numpy(), negatives.double().numpy())
    assert (smaller.tolist(), not_larger.tolist()) == expected
