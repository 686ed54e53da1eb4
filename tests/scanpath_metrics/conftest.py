import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foregaze.scanpath_metrics import Scanpath

GOLDEN = Path(__file__).parents[1] / "golden" / "scanpath_metrics.json"
SIZE = (600, 800)


@dataclass
class GoldenPair:
    """Two scanpaths of the golden file and the published code's values for them."""

    a: Scanpath
    b: Scanpath
    values: dict[str, Any]


def _scanpath(rows: list[list[float]]) -> Scanpath:
    x, y, duration_s = np.array(rows).T
    return Scanpath(x, y, duration_s * 1000)


@pytest.fixture(params=range(4))
def golden(request: pytest.FixtureRequest) -> GoldenPair:
    values = json.loads(GOLDEN.read_text())["pairs"][request.param]
    return GoldenPair(_scanpath(values["a"]), _scanpath(values["b"]), values)
