"""Weights of a mixture of known densities, by maximum likelihood.

Letters: `N` points, `K` components.
"""

import numpy as np
from jaxtyping import Float

_STEPS = 2000
_ENOUGH = 1e-7


def mixture_weights(
    densities: Float[np.ndarray, "N K"], counts: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " K"]:
    """Weights, summing to one, that maximize sum counts log(densities @ weights).

    Expectation maximization (Dempster, Laird & Rubin 1977) from equal weights. The likelihood is
    concave in the weights, so there is one best value. Stops when a step gains less than 1e-7
    nats per point.

    Args:
        densities: Of each component at each point; in each row one is positive.
        counts: How much each point counts.
    """
    counts = counts / counts.sum()
    weights: Float[np.ndarray, " K"] = np.full(densities.shape[1], 1 / densities.shape[1])
    reached = -np.inf
    for _ in range(_STEPS):
        mixed = densities @ weights  # (N,)
        likelihood = float(counts @ np.log(mixed))
        if likelihood - reached < _ENOUGH:
            break
        reached = likelihood
        weights = weights * ((counts / mixed) @ densities)
    return weights
