import pytest
import torch

from foregaze.data import load_pysaliency, save_plain
from foregaze.data.plain import load_plain
from foregaze.errors import DataError
from foregaze.training.frames import View
from foregaze.training.recipe import DataConfig
from foregaze.training.stored_features import StoredFeatures
from tests.data.pysaliency_copy import GOLDEN


def test_stored_features_are_the_trunks_in_half_precision(features, trunk, dataset):
    from foregaze.ops.preprocess import to_working_size

    with torch.inference_mode():
        fresh = trunk(to_working_size(dataset.stimuli[1], (96, 128))[None])
    stored = features[View(1, mirrored=False)]
    assert stored.keys() == fresh.keys() == {2, 4, 5}
    for stage, feature in stored.items():  # half precision rounds by at most 2**-11
        torch.testing.assert_close(feature, fresh[stage][0], rtol=2**-10, atol=1e-4)
        assert torch.equal(feature, feature.half().float())


def test_missing_features_are_found_per_view_and_stage(features, config, dataset):
    views = [View(i, mirrored=False) for i in range(4)]
    assert features.missing(views) == [View(3, mirrored=False)]
    more_stages = StoredFeatures(config, (2, 3), dataset, features.data, features.store.folder)
    assert more_stages.missing(views) == views


def test_images_that_are_no_files_are_refused(config, tmp_path):
    folder = GOLDEN / "v0.2.22"
    stored = load_pysaliency(folder / "arrays.hdf5", folder / "trains.hdf5", starts_at_center=False)
    data = DataConfig(root=folder)
    features = StoredFeatures(config, (2,), stored, data, tmp_path / "store")
    message = r"arrays\.hdf5/x/1\.png: is no image file, and training needs files; .*save_plain"
    with pytest.raises(DataError, match=message):
        features.missing([View(0, mirrored=False)])
    save_plain(stored, tmp_path / "files")
    files = load_plain(tmp_path / "files")
    features = StoredFeatures(config, (2,), files, data, tmp_path / "store")
    assert len(features.missing([View(0, mirrored=False)])) == 1


def test_keys_differ_by_stage_view_image_and_input_size(features, config, dataset):
    other = config.model_copy(update={"input_size": (192, 256)})
    larger = StoredFeatures(other, (2,), dataset, features.data, features.store.folder)
    views = [View(i, m) for i in (0, 1) for m in (False, True)]
    keys = [key for view in views for key in features.keys(view).values()]
    keys += [larger.keys(view)[2] for view in views]
    assert len(set(keys)) == len(keys) == 16
