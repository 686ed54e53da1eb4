import numpy as np
import pytest

from foregaze.errors import DataError
from foregaze.evaluation import BASELINES, SpatialModel, evaluate, fit_references
from foregaze.evaluation.comparison import Difference, compare, read_comparison
from foregaze.evaluation.report import Metric
from tests.evaluation.conftest import make_dataset


@pytest.fixture(scope="module")
def comparison():
    dataset = make_dataset(lengths=(9, 12, 10, 11, 8, 9))
    references = fit_references(dataset)
    reports = [
        evaluate(BASELINES[name](references), dataset, references=references)
        for name in ("uniform", "gaussian-centerbias", "joint-bound")
    ]
    names = dataset.stimuli.names
    return compare(reports, dict(zip(names, ("indoor", "outdoor") * 3, strict=True)))


def found(comparison, first, second, metric):
    return next(
        d
        for d in comparison.differences
        if (d.first, d.second, d.metric) == (first, second, metric)
    )


def test_difference_is_the_mean_over_images_of_paired_differences(comparison):
    difference = found(comparison, "uniform", "joint-bound", "LL")
    uniform, _, bound = comparison.reports
    paired = np.array(uniform.per_image["LL"]) - np.array(bound.per_image["LL"])
    assert difference.value.mean == pytest.approx(paired.mean())
    assert difference.better == "joint-bound"


def test_less_is_better_where_it_is(comparison):
    assert found(comparison, "uniform", "joint-bound", "KLDiv").better == "joint-bound"


def test_no_order_where_the_interval_includes_zero():
    value = Metric(0.1, (-0.05, 0.25))
    assert Difference("a", "b", "IG", value).better is None


def test_metrics_that_one_of_both_lacks_have_no_difference(comparison):
    with pytest.raises(StopIteration):
        found(comparison, "uniform", "joint-bound", "NSS")


def test_categories_are_averages_over_their_images(comparison):
    rows = comparison.by_category()
    bound = comparison.reports[2]
    assert list(rows) == ["indoor", "outdoor"]
    assert rows["outdoor"]["joint-bound"]["AUC"].mean == pytest.approx(
        np.mean(bound.per_image["AUC"][1::2])
    )


def test_saved_comparison_reads_back_as_it_was(comparison, tmp_path):
    comparison.save(tmp_path / "report.json")
    assert read_comparison(tmp_path / "report.json") == comparison


def test_one_model_is_saved_with_the_keys_of_the_public_contract(comparison, tmp_path):
    single = compare(comparison.reports[2:])
    single.save(tmp_path / "report.json")
    assert {"model", "dataset", "images", "fixations", "metrics"} <= single.to_json().keys()
    assert read_comparison(tmp_path / "report.json") == single


def test_a_narrow_table_puts_metrics_below_one_another(comparison):
    wide, narrow = comparison.table(200).splitlines(), comparison.table(60).splitlines()
    assert max(map(len, narrow[1 : narrow.index("") + 8])) <= 60
    assert len(narrow) > len(wide)
    for name in comparison.metrics:
        assert any(name in line for line in narrow)


def test_two_models_of_one_name_are_refused(comparison):
    with pytest.raises(DataError, match="two models are called 'uniform'"):
        compare([comparison.reports[0], comparison.reports[0]])


def test_models_on_different_images_are_refused(comparison):
    other = evaluate(
        SpatialModel("m", lambda image: np.full((30, 40), -np.log(1200))),
        make_dataset(lengths=(3, 3)),
    )
    with pytest.raises(DataError, match="were scored on different images"):
        compare([comparison.reports[0], other])


def test_file_that_is_no_report_is_a_data_error(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(DataError, match="is no report"):
        read_comparison(tmp_path / "report.json")
