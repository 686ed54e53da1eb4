from dataclasses import replace

import numpy as np
import pytest

from foregaze.errors import DataError, ShapeError, UnknownNameError
from foregaze.evaluation import BASELINES, SpatialModel, evaluate, fit_references
from foregaze.metrics import auc

SIZE = (30, 40)
UNIFORM = np.full(SIZE, -np.log(1200))


def uniform(image: int) -> np.ndarray:
    return UNIFORM


def slope(image: int) -> np.ndarray:
    """Log density that grows to the right."""
    score = np.tile(np.arange(40) / 10, (30, 1))
    return score - np.log(np.exp(score).sum())


def test_uniform_density_is_at_chance_and_has_no_nss(toy_dataset):
    report = evaluate(SpatialModel("uniform", uniform), toy_dataset())
    assert report.metrics["LL"].mean == pytest.approx(0, abs=1e-12)
    assert report.metrics["AUC"].mean == 0.5
    assert report.metrics["NSS"].mean is None
    assert report.to_json()["metrics"]["NSS"] == {"mean": None, "ci95": None}
    assert "NSS is not defined for a constant map" in report.table()


def test_center_bias_gains_nothing_over_itself(toy_dataset):
    dataset = toy_dataset(starts_at_center=False)
    references = fit_references(dataset)
    report = evaluate(BASELINES["centerbias"](references), dataset, references=references)
    assert report.metrics["IG"].mean == 0
    assert report.metrics["IGE"].mean == 0
    assert report.metrics["LL"].mean != 0


def test_images_weigh_alike_however_many_fixations_they_have(toy_dataset):
    dataset = toy_dataset(lengths=(2, 9))
    report = evaluate(SpatialModel("slope", slope), dataset, metrics=["AUC"])
    means = [
        auc(slope(0), fixations.column, fixations.row).mean()
        for fixations in dataset.evidence_by_image()
    ]
    assert report.per_image["AUC"] == pytest.approx(means)
    assert report.metrics["AUC"].mean == pytest.approx(np.mean(means))
    assert report.fixations == 3 * (1 + 8)


def test_first_fixations_count_only_among_all_fixations(toy_dataset):
    dataset = toy_dataset()
    report = evaluate(SpatialModel("slope", slope), dataset)
    beside = evaluate(SpatialModel("slope", slope), replace(dataset, starts_at_center=False))
    for name in ("LL", "NSS", "AUC", "sAUC"):  # the others depend on parameters fitted on evidence
        assert report.all_fixations.metrics[name] == beside.evidence.metrics[name]
    assert report.all_fixations.fixations == len(dataset.fixations)
    assert report.metrics["LL"].mean != report.all_fixations.metrics["LL"].mean


def test_images_without_evidence_are_skipped_and_counted(toy_dataset):
    dataset = toy_dataset(lengths=(4, 1, 3))  # image 1 has only first fixations
    report = evaluate(SpatialModel("slope", slope), dataset)
    assert report.evidence.image_names == ("0.png", "2.png")
    assert report.evidence.skipped_images == 1
    assert report.all_fixations.skipped_images == 0
    assert "2 images (1 without fixations skipped)" in report.table()


def test_fold_is_scored_against_the_center_bias_of_all_other_images(toy_dataset):
    whole = evaluate(SpatialModel("slope", slope), toy_dataset())
    fold = evaluate(SpatialModel("slope", slope), toy_dataset(), images=[2])
    assert fold.per_image["IG"] == [whole.per_image["IG"][2]]
    assert fold.per_image["gold_IG"] == [whole.per_image["gold_IG"][2]]
    assert fold.images == 1


def test_image_with_one_observer_leaves_the_gain_unexplained_but_reports_the_rest(toy_dataset):
    report = evaluate(SpatialModel("slope", slope), toy_dataset(observers=1))
    assert report.metrics["IGE"].mean is None
    assert "no image has evidence fixations of two observers" in report.evidence.absent["IGE"]
    assert report.metrics["IG"].mean is not None
    assert report.evidence.gold_standard is None


def test_single_image_has_no_gain_over_a_center_bias(toy_dataset):
    report = evaluate(SpatialModel("slope", slope), toy_dataset(lengths=(4,)))
    assert report.metrics["IG"].mean is None
    assert "one picture has no others" in report.evidence.absent["IG"]
    assert report.metrics["LL"].mean is not None


def test_only_the_asked_metrics_are_reported_in_the_usual_order(toy_dataset):
    report = evaluate(SpatialModel("slope", slope), toy_dataset(), metrics=["AUC", "IGE"])
    assert list(report.metrics) == ["IGE", "AUC"]
    assert report.metrics["IGE"].mean is not None


def test_every_image_is_announced_once(toy_dataset):
    calls = []
    dataset = toy_dataset(lengths=(4, 0, 3))
    evaluate(SpatialModel("slope", slope), dataset, on_image=lambda: calls.append(1))
    assert len(calls) == 3


def test_single_precision_predictions_score_as_in_double(toy_dataset):
    double = evaluate(SpatialModel("slope", slope), toy_dataset())
    single = evaluate(SpatialModel("slope", lambda i: slope(i).astype(np.float32)), toy_dataset())
    for name, metric in double.metrics.items():
        assert single.metrics[name].mean == pytest.approx(metric.mean, abs=1e-6)


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (UNIFORM.T, r"bad on 0\.png: log density has shape \(40, 30\), the image has \(30, 40\)"),
        (UNIFORM + 0.01, r"bad on 0\.png: exp of the log density sums to 1\.01005 instead of 1"),
        (np.exp(UNIFORM), "sums to 1201"),
        (np.where(np.eye(30, 40) > 0, np.nan, UNIFORM), "30 of 1200 log densities are infinite"),
        (np.where(np.eye(30, 40) > 0, -np.inf, UNIFORM), "must be positive everywhere"),
    ],
)
def test_prediction_that_is_no_log_density_is_refused(toy_dataset, prediction, message):
    with pytest.raises(ShapeError, match=message):
        evaluate(SpatialModel("bad", lambda image: prediction), toy_dataset())


def test_unknown_metric_is_an_error_that_lists_the_known(toy_dataset):
    with pytest.raises(UnknownNameError, match="unknown metric 'auc'; known: AUC, AUC-Borji"):
        evaluate(SpatialModel("slope", slope), toy_dataset(), metrics=["auc"])


def test_data_set_without_evidence_is_an_error(toy_dataset):
    with pytest.raises(DataError, match="toy: none of 2 images has evidence fixations"):
        evaluate(SpatialModel("slope", slope), toy_dataset(lengths=(1, 1)))
