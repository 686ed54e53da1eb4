"""Fair times of several things, for the tools that compare them."""

import statistics
import time
from collections.abc import Callable, Mapping


def medians_ms(passes: Mapping[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median time of each in milliseconds; they take turns, after two rounds to warm up."""
    times: dict[str, list[float]] = {name: [] for name in passes}
    for run in range(runs + 2):
        for name, one in passes.items():
            start = time.perf_counter()
            one()
            if run >= 2:
                times[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in times.items()}
