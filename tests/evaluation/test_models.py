import numpy as np
import pytest

from foregaze.evaluation import ScanpathModel, ScoredModel, SpatialModel, evaluate
from foregaze.evaluation.maps import PredictedMaps
from foregaze.metrics import auc, nss

SIZE = (30, 40)


def around(x: float, y: float) -> np.ndarray:
    rows, columns = np.indices(SIZE) + 0.5
    score = -((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2)
    return score - np.log(np.exp(score).sum())


def stay(image: int, x_hist: np.ndarray, y_hist: np.ndarray) -> np.ndarray:
    """The next fixation is near the last one, the first one in the middle."""
    return around(x_hist[-1], y_hist[-1]) if len(x_hist) else around(20, 15)


def test_both_kinds_of_model_are_scored_models(toy_dataset):
    assert isinstance(SpatialModel("a", lambda image: around(3, 3)), ScoredModel)
    assert isinstance(ScanpathModel("b", toy_dataset(), stay), ScoredModel)


def test_scanpath_metrics_are_those_of_each_fixation_under_its_own_history(toy_dataset):
    dataset = toy_dataset()
    report = evaluate(ScanpathModel("stay", dataset, stay), dataset)
    fixations = dataset.fixations
    x_hist, y_hist = dataset.history(1)
    values = {"LL": [], "NSS": [], "AUC": []}
    for row in np.flatnonzero((fixations.image == 1) & (fixations.order > 0)):
        log_density = around(x_hist[row, 0], y_hist[row, 0])
        at = fixations.column[row : row + 1], fixations.row[row : row + 1]
        values["LL"].append((log_density[at[1], at[0]].item() + np.log(1200)) / np.log(2))
        values["NSS"].append(nss(np.exp(log_density), *at).item())
        values["AUC"].append(auc(log_density, *at).item())
    for name, expected in values.items():
        assert report.per_image[name][1] == pytest.approx(np.mean(expected))


def test_histories_are_whole_and_oldest_first(toy_dataset):
    dataset = toy_dataset(lengths=(4, 3))
    seen = []

    def remember(image: int, x_hist: np.ndarray, y_hist: np.ndarray) -> np.ndarray:
        seen.append((image, x_hist.tolist()))
        return around(20, 15)

    evaluate(ScanpathModel("remember", dataset, remember), dataset, images=[0], metrics=["LL"])
    scanpath = dataset.fixations.x[
        (dataset.fixations.image == 0) & (dataset.fixations.observer == 0)
    ]
    assert (0, scanpath[:3].tolist()) in seen
    assert (0, []) in seen  # first fixations count among all fixations


def test_a_scanpath_model_has_no_map_of_the_image(toy_dataset):
    dataset = toy_dataset()
    report = evaluate(ScanpathModel("stay", dataset, stay), dataset)
    assert report.metrics["SIM"].mean is None
    assert "has one per observer or fixation" in report.evidence.absent["SIM"]


def test_a_saliency_map_is_scored_as_it_is_and_has_no_likelihood(toy_dataset):
    dataset = toy_dataset()
    slope = np.tile(np.arange(40.0), (30, 1))
    model = SpatialModel("slope", lambda image: PredictedMaps(saliency_map=slope))
    report = evaluate(model, dataset)
    assert report.metrics["LL"].mean is None
    assert report.evidence.absent["LL"] == "slope gives saliency maps, not densities"
    fixations = dataset.evidence_by_image()
    expected = [nss(slope, f.column, f.row).mean() for f in fixations]
    assert report.per_image["NSS"] == pytest.approx(expected)


def test_a_map_that_is_constant_on_one_image_names_it(toy_dataset):
    slope = np.tile(np.arange(40.0), (30, 1))
    model = SpatialModel("slope", lambda image: PredictedMaps(saliency_map=slope * (image != 2)))
    report = evaluate(model, toy_dataset())
    assert report.metrics["NSS"].mean is None
    assert report.evidence.absent["NSS"].startswith("image 2.png: NSS is not defined")
    assert report.metrics["AUC"].mean is not None
