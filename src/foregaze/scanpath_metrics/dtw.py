"""Dynamic time warping of two scanpaths' positions.

Sakoe & Chiba (1978), IEEE Trans. ASSP 26(1): the sum of Euclidean distances along the cheapest
monotonic path that pairs the fixations of both from first to last. Exact, without a window and
without normalization; some toolboxes use an approximation with radius 1, which is never smaller.
"""

from collections.abc import Sequence

import numpy as np

from foregaze.scanpath_metrics.alignment import path_costs
from foregaze.scanpath_metrics.padding import distances, lengths_of, require_pairs
from foregaze.scanpath_metrics.scanpath import Scanpath, Scores


def dynamic_time_warping(a: Scanpath, b: Scanpath) -> float:
    """Sum of distances in px along the best warping; 0 is equal, smaller is closer; symmetric."""
    return float(dynamic_time_warping_pairs([a], [b])[0])


def dynamic_time_warping_pairs(first: Sequence[Scanpath], second: Sequence[Scanpath]) -> Scores:
    """`dynamic_time_warping` of each pair."""
    require_pairs(first, second)
    costs = path_costs(distances(first, second, fill=0.0))  # (P, n, m)
    last: Scores = costs[np.arange(len(first)), lengths_of(first) - 1, lengths_of(second) - 1]
    return last
