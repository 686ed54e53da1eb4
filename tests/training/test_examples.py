from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from foregaze.backbones.staged import create_backbone
from foregaze.data import load_dataset, load_pysaliency, save_plain
from foregaze.data.centerbias import CenterBias
from foregaze.data.plain import load_plain
from foregaze.errors import DataError
from foregaze.evaluation.models import Case, ScanpathModel
from foregaze.evaluation.references import References
from foregaze.evaluation.scanpaths import scanpaths_by_image
from foregaze.models.trunk_mixture import BranchConfig, Trunk, TrunkMixtureConfig
from foregaze.training.examples import (
    EpochBatches,
    Examples,
    StoredFeatures,
    View,
    _with_history,
    batches_per_epoch,
    collate,
    viewing_quantiles_ms,
)
from foregaze.training.recipe import DataConfig
from tests.data.pysaliency_copy import GOLDEN


@pytest.fixture(scope="module")
def config():
    return TrunkMixtureConfig(
        backbone="tf_efficientnet_lite0",
        backbone_weights="random:0",
        input_size=(96, 128),
        branches=(BranchConfig(tuned_from=6, taps=(2, 4, 6)),),
    )


@pytest.fixture(scope="module")
def dataset(osie_root):
    return load_dataset("osie", osie_root).subset(range(6))


@pytest.fixture(scope="module")
def trunk(config):
    return Trunk(config, create_backbone(config.backbone, config.resolved_weights)).eval()


@pytest.fixture
def features(config, dataset, trunk, tmp_path):
    stored = StoredFeatures(config, config.trunk_outputs, dataset, tmp_path / "store")
    for image in range(3):
        stored.fill(View(image, mirrored=False), trunk)
        stored.fill(View(image, mirrored=True), trunk)
    return stored


def test_stored_features_are_the_trunks_in_half_precision(features, trunk, dataset):
    from foregaze.ops.preprocess import to_working_size

    with torch.inference_mode():
        fresh = trunk(to_working_size(dataset.stimuli[1], (96, 128))[None])
    stored = features[View(1, mirrored=False)]
    assert stored.keys() == fresh.keys() == {2, 4, 5}
    for stage, feature in stored.items():  # half precision rounds by at most 2**-11
        torch.testing.assert_close(feature, fresh[stage][0], rtol=2**-10, atol=1e-4)
        assert torch.equal(feature, feature.half().float())


def test_missing_features_are_found_per_view_and_stage(features, config, dataset, tmp_path):
    views = [View(i, mirrored=False) for i in range(4)]
    assert features.missing(views) == [View(3, mirrored=False)]
    more_stages = StoredFeatures(config, (2, 3), dataset, tmp_path / "store")
    assert more_stages.missing(views) == views


def test_images_that_are_no_files_are_refused(config, tmp_path):
    folder = GOLDEN / "v0.2.22"
    stored = load_pysaliency(folder / "arrays.hdf5", folder / "trains.hdf5", starts_at_center=False)
    features = StoredFeatures(config, (2,), stored, tmp_path / "store")
    message = r"arrays\.hdf5/x/1\.png: is no image file, and training needs files; .*save_plain"
    with pytest.raises(DataError, match=message):
        features.missing([View(0, mirrored=False)])
    save_plain(stored, tmp_path / "files")
    features = StoredFeatures(config, (2,), load_plain(tmp_path / "files"), tmp_path / "store")
    assert len(features.missing([View(0, mirrored=False)])) == 1


def test_keys_differ_by_stage_view_image_and_input_size(features, config, dataset):
    larger = StoredFeatures(
        config.model_copy(update={"input_size": (192, 256)}), (2,), dataset, features.store.folder
    )
    views = [View(i, m) for i in (0, 1) for m in (False, True)]
    keys = [key for view in views for key in features.keys(view).values()]
    keys += [larger.keys(view)[2] for view in views]
    assert len(set(keys)) == len(keys) == 16


def test_mirrored_example_is_the_mirror_image(features, dataset, osie_root):
    examples = Examples(dataset, features, [0, 1, 2], DataConfig(root=osie_root))
    plain, mirrored = examples[View(0, False)], examples[View(0, True)]
    assert torch.equal(plain.counts.flip(-1), mirrored.counts)
    assert torch.equal(plain.centerbias.flip(-1), mirrored.centerbias)
    assert not torch.equal(plain.features[4], mirrored.features[4])


def test_counts_hold_every_evidence_fixation_at_its_place(features, dataset, osie_root):
    examples = Examples(dataset, features, [0, 1, 2], DataConfig(root=osie_root))
    counts = examples.counts(2)
    fixations = dataset.evidence_by_image()[2]
    assert counts.shape == (300, 400)
    assert counts.sum() == len(fixations)
    assert all(
        counts[int(y / 2), int(x / 2)] > 0 for x, y in zip(fixations.x, fixations.y, strict=True)
    )


def test_prior_of_a_fitted_image_leaves_its_own_fixations_out(features, dataset, osie_root):
    examples = Examples(dataset, features, [0, 2], DataConfig(root=osie_root))
    only_other = CenterBias(dataset.subset([2])).log_density((24, 32))
    np.testing.assert_allclose(examples.prior(0).numpy(), only_other, rtol=1e-5)
    both = CenterBias(dataset.subset([0, 2])).log_density((24, 32))
    np.testing.assert_allclose(examples.prior(5).numpy(), both, rtol=1e-5)
    assert abs(logsumexp(examples.prior(5).numpy().astype(float))) < 1e-5


def epoch(seed: tuple[int, ...], mirror: bool = True) -> list[list[View]]:
    sizes = [(96, 128)] * 10 + [(128, 96)] * 5
    return list(EpochBatches(range(15), sizes, 4, mirror=mirror, seed=seed))


def test_an_epoch_shows_each_image_once_in_batches_of_one_size():
    batches = epoch((0, 0))
    assert sorted(view.image for batch in batches for view in batch) == list(range(15))
    assert all(len({view.image < 10 for view in batch}) == 1 for batch in batches)
    sizes = [(96, 128)] * 10 + [(128, 96)] * 5
    assert len(batches) == batches_per_epoch(range(15), sizes, 4) == 5


def test_epochs_differ_from_each_other_and_repeat_for_a_seed():
    assert epoch((0, 0)) == epoch((0, 0))
    assert epoch((0, 0)) != epoch((0, 1))
    assert epoch((0, 0)) != epoch((1, 0))


def test_about_half_of_the_views_are_mirrored_and_none_where_not_asked():
    mirrored = [v.mirrored for seed in range(50) for batch in epoch((seed,)) for v in batch]
    assert np.mean(mirrored) == pytest.approx(0.5, abs=0.06)
    assert not any(v.mirrored for batch in epoch((0,), mirror=False) for v in batch)


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
