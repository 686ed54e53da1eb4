"""How much the features of patches are like those of one of them."""

import numpy as np
from jaxtyping import Float


def affinity(
    features: Float[np.ndarray, "C h w"], row: int, column: int
) -> Float[np.ndarray, "h w"]:
    """Cosine of the angle between each patch's features and those of one patch.

    From -1 to 1; 0 where features are all zero, which have no direction.

    Args:
        features: Of all patches.
        row: Of the patch that they are compared with.
        column: Of the patch that they are compared with.
    """
    wide = features.astype(np.float64)
    length = np.linalg.norm(wide, axis=0)
    directions = wide / np.where(length > 0, length, 1)
    cosine: Float[np.ndarray, "h w"] = np.einsum(
        "chw,c->hw", directions, directions[:, row, column]
    )
    return cosine.clip(-1, 1)
