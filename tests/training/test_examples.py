from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from foregaze.data.centerbias import CenterBias
from foregaze.errors import DataError
from foregaze.evaluation.models import Case, ScanpathModel
from foregaze.evaluation.references import References
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.training.examples import Examples, _with_history, collate, viewing_quantiles_ms
from foregaze.training.frames import View
from foregaze.training.recipe import DataConfig


def test_mirrored_example_is_the_mirror_image(features, dataset, osie_root):
    examples = Examples(dataset, features, [0, 1, 2], DataConfig(root=osie_root))
    plain, mirrored = examples[View(0, False)], examples[View(0, True)]
    assert torch.equal(plain.counts.flip(-1), mirrored.counts)
    assert torch.equal(plain.centerbias.flip(-1), mirrored.centerbias)
    assert not torch.equal(plain.features[4], mirrored.features[4])


def test_counts_hold_every_evidence_fixation_at_its_place(features, dataset, osie_root):
    examples = Examples(dataset, features, [0, 1, 2], DataConfig(root=osie_root))
    counts = examples.counts(View(2, mirrored=False))
    fixations = dataset.evidence_by_image()[2]
    assert counts.shape == (300, 400)
    assert counts.sum() == len(fixations)
    assert all(
        counts[int(y / 2), int(x / 2)] > 0 for x, y in zip(fixations.x, fixations.y, strict=True)
    )


def test_prior_of_a_fitted_image_leaves_its_own_fixations_out(features, dataset, osie_root):
    examples = Examples(dataset, features, [0, 2], DataConfig(root=osie_root))
    only_other = CenterBias(dataset.subset([2])).log_density((24, 32))
    np.testing.assert_allclose(examples.prior(View(0, False)).numpy(), only_other, rtol=1e-5)
    both = CenterBias(dataset.subset([0, 2])).log_density((24, 32))
    np.testing.assert_allclose(examples.prior(View(5, False)).numpy(), both, rtol=1e-5)
    assert abs(logsumexp(examples.prior(View(5, False)).numpy().astype(float))) < 1e-5


@pytest.fixture
def varied(features, dataset, trunk, osie_root):
    """Examples of cropped views as well."""
    data = DataConfig(root=osie_root, variants=4, crop_area=0.3)
    features.data = data
    for variant in range(1, 5):
        for mirrored in (False, True):
            features.fill(View(1, mirrored, (), variant), trunk)
    return Examples(dataset, features, [0, 1, 2], data, histories=40, history=3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("variant", [1, 2, 3, 4])
def test_a_crop_counts_the_fixations_that_it_shows(varied, dataset, variant, mirrored):
    view = View(1, mirrored, (), variant)
    frame = varied.features.frame(view)
    f = dataset.evidence_by_image()[1]
    right, bottom = frame.left + frame.width, frame.top + frame.height
    inside = (f.x >= frame.left) & (f.x < right) & (f.y >= frame.top) & (f.y < bottom)
    assert 0 < inside.sum() < len(f)
    counts = varied.counts(view)
    assert counts.sum() == inside.sum()
    for x, y in zip(f.x[inside], f.y[inside], strict=True):
        column = int((x - frame.left) * (400 / frame.width))
        column = 399 - column if mirrored else column
        assert counts[int((y - frame.top) * (300 / frame.height)), column] > 0
    assert varied[view].weight == 1


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_predicts_only_fixations_that_it_shows(varied, mirrored):
    views = [View(1, mirrored, (3, 4), variant) for variant in range(1, 5)]
    view = min(views, key=lambda view: varied.features.frame(view).height)
    told = varied.drawn(view)
    height, width = varied.features.frame(view).size
    assert ((told.at >= 0) & (told.at <= torch.tensor([width, height]))).all()
    row, column = told.cell // 32, told.cell % 32
    torch.testing.assert_close(column, (told.at[:, 0] / 4).long().clamp(max=31))
    torch.testing.assert_close(row, (told.at[:, 1] / 4).long().clamp(max=23))
    outside = (told.x < 0) | (told.x > width) | (told.y < 0) | (told.y > height)
    assert outside.any()  # a history may lie beside the crop


def test_validation_may_predict_all_fixations_of_an_image(varied):
    told, view = len(varied._told[1].xy), View(1, False)
    assert 40 < told < 1000
    assert len(varied.drawn(view).cell) == 40
    varied.validation_histories = 1000
    every = varied.drawn(view)
    assert len(every.cell) == told
    assert len(np.unique(every.at, axis=0)) == len(np.unique(varied._told[1].xy[:, 0], axis=0))
    assert len(varied.drawn(view._replace(draw=(3, 4))).cell) == 40


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_the_center_bias_of_a_mirrored_crop_is_mirrored(varied, variant):
    plain, mirrored = (varied.prior(View(1, m, (), variant)) for m in (False, True))
    torch.testing.assert_close(plain.flip(-1), mirrored)
    assert plain.exp().sum() == pytest.approx(1, abs=1e-4)


def test_a_crop_without_fixations_weighs_nothing(varied):
    view = View(1, False, (), 1)
    frame = varied.features.frame(view)
    seen = varied.fixations[1]
    xy = np.column_stack([seen.x, seen.y])
    varied.fixations[1] = seen.where(~frame.shown(xy))
    example = varied[view]
    assert example.counts.sum() == 0
    assert example.weight == 0


def test_a_views_weight_is_its_examples(varied):
    assert varied[View(0, False, weight=0.75)].weight == 0.75


def test_collated_examples_are_stacked_in_order(features, dataset, osie_root):
    examples = Examples(dataset, features, [0, 1, 2], DataConfig(root=osie_root))
    views = [View(2, False), View(0, True)]
    batch = collate([examples[view] for view in views])
    assert batch.features[4].shape[0] == 2
    assert torch.equal(batch.counts[1], examples[views[1]].counts)
    assert torch.equal(batch.features[5][0], examples[views[0]].features[5])


def test_histories_are_the_last_known_fixations_as_in_evaluation(dataset):
    kept = np.random.default_rng(0).random(len(dataset.fixations)) < 0.6
    gappy = replace(dataset, fixations=dataset.fixations.where(kept))
    in_evaluation = defaultdict(list)

    def remember(image, x_hist, y_hist):
        in_evaluation[image].append(np.column_stack([x_hist, y_hist])[::-1][:4])
        return np.zeros(gappy.stimuli.sizes[image])

    model = ScanpathModel("remember", gappy, remember)
    found = _with_history(gappy, 4, starts=False)
    evidence = gappy.evidence_by_image()
    for image in range(len(gappy)):
        for _ in model.on(image)(Case(image, evidence[image], References(gappy, None, None))):
            pass
        past = found[image].xy[:, 1:]
        assert past.shape == (len(evidence[image]), 4, 2)
        assert len(past) == len(in_evaluation[image])
        for ours, theirs in zip(past, in_evaluation[image], strict=True):
            np.testing.assert_array_equal(ours[: len(theirs)], theirs)
            assert np.isnan(ours[len(theirs) :]).all()


def test_what_is_told_of_a_fixation_comes_from_its_own_scanpath(dataset):
    told = _with_history(dataset, 3, starts=True)
    scanpaths = scanpaths_by_image(dataset.fixations)
    for image, found in enumerate(told):
        expected = defaultdict(int)
        for scanpath in scanpaths[image]:
            for k in range(len(scanpath)):
                columns = (scanpath.x, scanpath.y, scanpath.duration_ms)
                row = np.full((4, 3), np.nan)
                latest_first = np.column_stack(columns)[: k + 1][::-1][:4]
                row[: len(latest_first)] = latest_first
                expected[row.tobytes(), k == len(scanpath) - 1] += 1
        rows = np.concatenate([found.xy, found.duration_ms[..., None]], -1)
        for row, ended in zip(rows, found.ended.tolist(), strict=True):
            expected[row.tobytes(), ended] -= 1
        assert set(expected.values()) == {0}


def test_quantiles_of_viewing_are_of_whole_scanpaths(dataset):
    totals = [
        scanpath.duration_ms.sum()
        for scanpaths in scanpaths_by_image(dataset.fixations).values()
        for scanpath in scanpaths
    ]
    quantiles = viewing_quantiles_ms(dataset)
    assert quantiles[[0, 50, 100]].tolist() == pytest.approx(np.quantile(totals, [0, 0.5, 1]))
    blind = replace(dataset.fixations, duration_ms=np.full(len(dataset.fixations), np.nan))
    with pytest.raises(DataError, match="says nothing of how long fixations last"):
        viewing_quantiles_ms(replace(dataset, fixations=blind))
