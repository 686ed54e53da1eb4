from dataclasses import replace

import numpy as np
import pytest

from foregaze.data import load_dataset
from foregaze.errors import DataError, UnknownNameError
from foregaze.evaluation.scanpaths import (
    compare_scanpaths,
    divergence_nats,
    scanpaths_by_image,
)
from foregaze.scanpath_metrics import SCANPATH_METRICS, Scanpath, multimatch, scanmatch
from foregaze.scanpath_metrics.scanmatch import OSIE, scanmatch_pairs
from foregaze.types import EyeTrackingDataset
from tests.evaluation.conftest import SIZE, make_dataset

# The 70 test images of the scanpath literature on OSIE, less those that are not beside the checkout
LISTED = """
1009 1017 1049 1056 1062 1086 1087 1108 1114 1116 1117 1127 1130 1140 1152 1192 1220 1226 1252 1255
1269 1295 1307 1369 1372 1397 1405 1420 1423 1433 1441 1478 1489 1493 1502 1509 1523 1528 1530 1558
1567 1576 1581 1595 1596 1605 1609 1615 1616 1618 1622 1628 1637 1640 1657 1663 1677 1699
"""


@pytest.fixture(scope="module")
def osie(osie_root) -> EyeTrackingDataset:
    dataset = load_dataset("osie", osie_root)
    names = list(dataset.stimuli.names)
    return dataset.subset([names.index(f"{stem}.jpg") for stem in LISTED.split()])


def with_degrees(dataset: EyeTrackingDataset) -> EyeTrackingDataset:
    return replace(dataset, px_per_dva=2.0)


def without_durations(scanpath: Scanpath) -> Scanpath:
    return Scanpath.without_durations(scanpath.x, scanpath.y)


def only_observers(dataset: EyeTrackingDataset, *observers: int) -> EyeTrackingDataset:
    kept = np.isin(dataset.fixations.observer, observers)
    return replace(dataset, fixations=dataset.fixations.where(kept))


PUBLISHED = {  # on 70 images
    "ScanMatch": 0.385,
    "MultiMatch_vector": 0.942,
    "MultiMatch_direction": 0.695,
    "MultiMatch_length": 0.931,
    "MultiMatch_position": 0.851,
    "MultiMatch_duration": 0.620,
    "MultiMatch_mean": 0.808,
    "SED": 7.53,
}


def test_people_are_as_consistent_on_osie_as_published_first_fixations_included(osie):
    human = scanpaths_by_image(osie.fixations)
    one_each = {image: scanpaths[:1] for image, scanpaths in human.items()}
    report = compare_scanpaths(one_each, osie, model_name="one", metrics=list(PUBLISHED))
    for name, published in PUBLISHED.items():
        tolerance = 0.05 if name == "SED" else 0.004  # 58 images instead of 70
        found = report.metrics[name].human.mean
        assert found == pytest.approx(published, abs=tolerance), name
    assert report.metrics["ScanMatch"].pairs.human == 58 * 15 * 14 / 2

    without_first = replace(osie, fixations=osie.evidence())
    report = compare_scanpaths(one_each, without_first, model_name="one", metrics=["ScanMatch"])
    assert report.metrics["ScanMatch"].human.mean < 0.365


def test_a_model_that_collapses_beats_people_on_average_but_not_in_distribution(osie):
    people, others = only_observers(osie, *range(8)), only_observers(osie, *range(8, 15))
    resampled = {k: scanpaths[:7] for k, scanpaths in scanpaths_by_image(others.fixations).items()}

    def most_typical(scanpaths):
        size = osie.stimuli.sizes[0]
        means = [scanmatch_pairs([s] * len(scanpaths), scanpaths, size).mean() for s in scanpaths]
        return scanpaths[int(np.argmax(means))]

    collapsed = {image: [most_typical(s)] * len(s) for image, s in resampled.items()}
    names = ["ScanMatch", "MultiMatch_mean"]
    honest = compare_scanpaths(resampled, people, model_name="people", metrics=names).metrics
    typical = compare_scanpaths(collapsed, people, model_name="typical", metrics=names).metrics
    for name in names:
        assert typical[name].difference.ci95[0] > 0, name  # seemingly better than people
        assert abs(honest[name].difference.mean) < typical[name].difference.mean / 4, name
        assert typical[name].kl_nats > 4 * honest[name].kl_nats, name


def test_means_are_those_of_all_pairs_by_hand():
    dataset = make_dataset((4, 5, 3), observers=3)
    human = scanpaths_by_image(dataset.fixations)
    generated = {0: human[2][:2], 1: human[0]}
    names = ["ScanMatch", "MultiMatch_position"]
    report = compare_scanpaths(generated, dataset, model_name="m", metrics=names)
    for name, score in (
        ("ScanMatch", lambda a, b: scanmatch(a, b, SIZE, OSIE)),
        ("MultiMatch_position", lambda a, b: multimatch(a, b, SIZE)[3]),
    ):
        per_image, found = report.per_image[name], report.metrics[name]
        for row, image in enumerate((0, 1)):
            to_human = [[score(a, b) for b in human[image]] for a in generated[image]]
            among = [
                [score(a, b) for k, b in enumerate(human[image]) if k != i]
                for i, a in enumerate(human[image])
            ]
            assert per_image["model"][row] == pytest.approx(np.mean(to_human))
            assert per_image["model_best"][row] == pytest.approx(np.mean(np.max(to_human, axis=1)))
            assert per_image["human"][row] == pytest.approx(np.mean(among))
            assert per_image["human_best"][row] == pytest.approx(np.mean(np.max(among, axis=1)))
        assert found.model.mean == pytest.approx(np.mean(per_image["model"]))
        assert found.difference.mean == pytest.approx(found.model.mean - found.human.mean)
        assert found.model.ci95[0] <= found.model.mean <= found.model.ci95[1]
        assert (found.pairs.model, found.pairs.human) == (2 * 3 + 3 * 3, 2 * 3)
    assert (report.images, report.generated_scanpaths, report.human_scanpaths) == (2, 5, 6)


def test_best_is_the_smallest_where_lower_is_better():
    dataset = with_degrees(make_dataset())
    human = scanpaths_by_image(dataset.fixations)
    found = compare_scanpaths(human, dataset, model_name="copy", metrics=["SED", "DTW_px"]).metrics
    for name in ("SED", "DTW_px"):
        assert found[name].model_best.mean == 0  # each is somebody's own scanpath
        assert 0 < found[name].human_best.mean < found[name].human.mean


def test_the_human_scanpath_is_the_first_argument_of_an_asymmetric_metric():
    dataset = make_dataset((4,), observers=2)
    a, b = scanpaths_by_image(dataset.fixations)[0]
    stde = SCANPATH_METRICS["STDE"].pairs
    generated = {0: [Scanpath(a.x[:3], a.y[:3], a.duration_ms[:3])]}
    report = compare_scanpaths(generated, dataset, model_name="m", metrics=["STDE"])
    expected = stde([a, b], generated[0] * 2, SIZE).mean()
    assert report.metrics["STDE"].model.mean == pytest.approx(expected)
    assert report.metrics["STDE"].human.mean == pytest.approx(stde([a, b], [b, a], SIZE).mean())
    assert report.metrics["STDE"].pairs.human == 2  # both orders count


def test_scores_do_not_depend_on_how_many_pairs_are_scored_at_once(monkeypatch):
    dataset = with_degrees(make_dataset())
    human = scanpaths_by_image(dataset.fixations)
    at_once = compare_scanpaths(human, dataset, model_name="m")
    monkeypatch.setattr("foregaze.evaluation.scanpaths.PAIRS_AT_ONCE", 2)
    in_parts = compare_scanpaths(human, dataset, model_name="m")
    for name, columns in at_once.per_image.items():
        for key, column in columns.items():
            assert in_parts.per_image[name][key] == pytest.approx(column), (name, key)


def test_without_durations_metrics_of_durations_are_absent_and_the_others_as_before():
    dataset = with_degrees(make_dataset())
    human = scanpaths_by_image(dataset.fixations)
    positions = {image: [without_durations(s) for s in group] for image, group in human.items()}
    found = compare_scanpaths(positions, dataset, model_name="m")
    full = compare_scanpaths(human, dataset, model_name="m")
    needy = {name for name, metric in SCANPATH_METRICS.items() if metric.needs_durations}
    assert found.absent.keys() == needy
    assert found.absent["ScanMatch"] == (
        "12 of 12 generated scanpaths have a fixation of unknown duration"
    )
    for name in SCANPATH_METRICS:
        if name in needy:
            assert found.metrics[name].model.mean is None
        else:
            assert found.metrics[name] == full.metrics[name], name


def test_without_degrees_metrics_of_degrees_are_absent():
    dataset = make_dataset()
    report = compare_scanpaths(scanpaths_by_image(dataset.fixations), dataset, model_name="m")
    assert report.absent.keys() == {"SequenceScore", "REC", "DET", "LAM"}
    assert report.absent["REC"] == "toy does not say how many pixels make a degree"


def test_pairs_without_a_score_are_counted_and_left_out():
    dataset = make_dataset()
    human = scanpaths_by_image(dataset.fixations)
    short = Scanpath(np.ones(2), np.ones(2), np.full(2, 250.0))
    with_short = {image: [*group, short] for image, group in human.items()}
    names = ["MultiMatch_vector", "SED"]
    found = compare_scanpaths(with_short, dataset, model_name="m", metrics=names)
    full = compare_scanpaths(human, dataset, model_name="m", metrics=names)
    vector = found.metrics["MultiMatch_vector"]
    assert vector.model == full.metrics["MultiMatch_vector"].model
    assert (vector.pairs.model, vector.pairs.undefined_model) == (4 * 4 * 3, 4 * 3)
    assert found.metrics["SED"].pairs.undefined_model == 0
    assert "left out 12 of 48 model pairs and 0 of 12 human pairs" in found.table()


def test_an_image_without_any_score_leaves_the_metric_without_a_mean():
    dataset = make_dataset()
    human = scanpaths_by_image(dataset.fixations)
    short = Scanpath(np.ones(2), np.ones(2), np.full(2, 250.0))
    report = compare_scanpaths(
        {**human, 2: [short]}, dataset, model_name="m", metrics=["MultiMatch_vector"]
    )
    assert report.metrics["MultiMatch_vector"].model.mean is None
    assert report.metrics["MultiMatch_vector"].human.mean is not None
    assert report.absent["MultiMatch_vector"] == (
        "no pair of some image has a score: a scanpath has fewer than 3 fixations"
    )


def test_images_with_a_single_viewer_are_skipped_and_counted():
    dataset = make_dataset()
    f = dataset.fixations
    alone = replace(dataset, fixations=f.where((f.image != 1) | (f.observer == 0)))
    done = []
    report = compare_scanpaths(
        scanpaths_by_image(f),
        alone,
        model_name="m",
        metrics=["SED"],
        on_image=lambda: done.append(1),
    )
    assert (report.images, report.skipped_images, len(done)) == (3, 1, 4)
    with pytest.raises(DataError, match="none of 1 images has two human scanpaths"):
        compare_scanpaths(scanpaths_by_image(f), alone, model_name="m", images=[1])


def test_what_cannot_be_compared_is_refused():
    dataset = make_dataset()
    human = scanpaths_by_image(dataset.fixations)
    with pytest.raises(DataError, match=r"m on 1\.png: no scanpath was generated"):
        compare_scanpaths({0: human[0]}, dataset, model_name="m", images=[0, 1])
    with pytest.raises(DataError, match="scanpaths on image 7, but toy has 4 images"):
        compare_scanpaths({7: human[0]}, dataset, model_name="m")
    with pytest.raises(DataError, match="to be scored twice"):
        compare_scanpaths(human, dataset, model_name="m", images=[0, 0])
    outside = Scanpath(np.array([1.0, 40.0]), np.array([1.0, 1.0]), np.full(2, 250.0))
    with pytest.raises(DataError, match=r"m on 0\.png: scanpath 1 leaves the image of 40x30 px"):
        compare_scanpaths({0: [human[0][0], outside]}, dataset, model_name="m")
    with pytest.raises(UnknownNameError, match="unknown scanpath metric 'ScanMach'; known: DET"):
        compare_scanpaths(human, dataset, model_name="m", metrics=["ScanMach"])


def test_fixations_are_cut_by_image_and_observer_and_ordered():
    dataset = make_dataset((4, 7), observers=3)
    shuffled = dataset.fixations.where(np.random.default_rng(0).permutation(len(dataset.fixations)))
    cut = scanpaths_by_image(shuffled)
    assert [len(s) for s in cut[0]] == [4] * 3
    f = dataset.fixations
    second = f.where((f.image == 1) & (f.observer == 2))
    np.testing.assert_array_equal(cut[1][2].x, second.x)
    np.testing.assert_array_equal(cut[1][2].duration_ms, second.duration_ms)
    assert scanpaths_by_image(f.where(np.zeros(len(f), dtype=bool))) == {}


def test_fixations_without_observers_or_order_are_no_scanpath():
    f = make_dataset().fixations
    nothing = np.zeros(len(f), dtype=np.int64)
    with pytest.raises(DataError, match="without observers and order there are no scanpaths"):
        scanpaths_by_image(replace(f, observer=nothing, order=nothing))


def test_divergence_of_a_sample_from_itself_is_0():
    scores = np.random.default_rng(0).normal(size=200)
    assert divergence_nats(scores, scores) == 0
    assert divergence_nats(np.ones(5), np.ones(3)) == 0


def test_divergence_of_two_bins_by_hand():
    human, model = np.array([0.0, 0, 0, 1]), np.array([0.0, 1])
    p, q = np.array([3.5, 1.5]) / 5, np.array([1.5, 1.5]) / 3
    assert divergence_nats(human, model, bins=2) == pytest.approx(float((p * np.log(p / q)).sum()))


def test_divergence_of_equal_distributions_is_what_chance_makes_of_it():
    rng = np.random.default_rng(1)
    found = [divergence_nats(rng.uniform(size=4000), rng.uniform(size=2000)) for _ in range(40)]
    assert np.mean(found) == pytest.approx(49 / 2 * (1 / 4000 + 1 / 2000), rel=0.1)


def test_divergence_approaches_that_of_the_distributions():
    rng = np.random.default_rng(2)
    found = divergence_nats(rng.normal(0, 1, 10**6), rng.normal(0.5, 1, 10**6), bins=100)
    assert found == pytest.approx(0.5**2 / 2, abs=0.005)


def test_divergence_without_scores_is_refused():
    with pytest.raises(DataError, match="no divergence between 0 and 3 scores"):
        divergence_nats(np.empty(0), np.ones(3))
