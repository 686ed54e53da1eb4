"""The out-of-fold reports that the docs show."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from foregaze.evaluation.report import read_report

REPORTS = Path(__file__).parents[1] / "docs" / "reports"


def gains(name: str) -> np.ndarray:
    """Information gain of every image, in the order of their names."""
    scores = read_report(REPORTS / f"{name}.json").evidence
    by_name = dict(zip(scores.image_names, scores.per_image["IG"], strict=True))
    return np.array([by_name[image] for image in sorted(by_name)])


SCORED = [*sorted(REPORTS.glob("default*.json")), *sorted(REPORTS.glob("osie-deepgaze*.json"))]


@pytest.mark.parametrize("path", SCORED, ids=lambda path: path.stem)
def test_a_report_is_of_all_600_images(path):
    assert read_report(path).images == 600


def test_deepgaze_heads_come_in_the_papers_order():
    heads = [gains(f"osie-deepgaze{number}") for number in ("1", "2", "2e")]
    for worse, better in pairwise(heads):
        difference = better - worse
        assert difference.mean() > 3 * difference.std(ddof=1) / np.sqrt(len(difference))


def test_a_head_that_sees_past_fixations_gains_over_all_that_do_not():
    assert gains("osie-deepgaze3").mean() > gains("osie-deepgaze2e").mean()
