import h5py
import numpy as np
import pytest

from foregaze.errors import DataError, OutputError, ShapeError
from foregaze.evaluation.maps import PredictedMaps
from foregaze.evaluation.prediction_files import read_predictions, save_predictions
from tests.evaluation.prediction_copy import (
    GOLDEN,
    NAMES,
    SIZES,
    dataset_of,
    log_densities,
    saliency_maps,
)


@pytest.mark.parametrize("arrays", [saliency_maps(), log_densities()], ids=["maps", "densities"])
def test_saved_predictions_come_back_exactly(tmp_path, arrays):
    path = tmp_path / "made" / "model.hdf5"
    save_predictions(lambda image: arrays[image], dataset_of(), path)
    predictions = read_predictions(path, dataset_of())
    for image, expected in enumerate(arrays):
        maps = predictions.maps(image)
        values = maps.saliency_map if maps.log_density is None else maps.log_density
        np.testing.assert_allclose(values, expected, rtol=1e-14)
    assert [p.name for p in path.parent.iterdir()] == ["model.hdf5"]


def test_saved_predictions_are_as_pysaliency_exports_them(tmp_path):
    save_predictions(lambda image: log_densities()[image], dataset_of(), tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as ours, h5py.File(GOLDEN / "v0.2.22/model.hdf5") as theirs:
        for name, values in zip(NAMES, log_densities(), strict=True):
            np.testing.assert_array_equal(ours[name][()], values)
            for property in ("dtype", "compression", "compression_opts", "shuffle"):
                assert getattr(ours[name], property) == getattr(theirs["im0.png"], property)
        assert dict(ours.attrs) == dict(theirs.attrs) == {}


def test_of_several_maps_the_log_density_is_saved(tmp_path):
    both = [
        PredictedMaps(log_densities()[0], saliency_maps()[0]),
        PredictedMaps(None, np.eye(5, 7)),
    ]
    save_predictions(lambda image: both[image], dataset_of(), tmp_path / "m.hdf5")
    with h5py.File(tmp_path / "m.hdf5") as file:
        np.testing.assert_array_equal(file[NAMES[0]][()], log_densities()[0])
        np.testing.assert_array_equal(file[NAMES[1]][()], np.eye(5, 7))


def test_saving_overwrites_nothing_and_leaves_nothing_after_an_error(tmp_path):
    def failing(image: int) -> np.ndarray:
        return saliency_maps()[0] if image == 0 else np.full(SIZES[1], np.nan)

    with pytest.raises(ShapeError, match=r"two\.jpg: prediction holds NaN"):
        save_predictions(failing, dataset_of(), tmp_path / "m.hdf5")
    with pytest.raises(ShapeError, match=r"one\.png: prediction has shape \(5, 7\), the image has"):
        save_predictions(lambda _: saliency_maps()[1], dataset_of(), tmp_path / "m.hdf5")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "m.hdf5").write_text("mine")
    with pytest.raises(OutputError, match=r"m\.hdf5: is already there"):
        save_predictions(lambda image: saliency_maps()[image], dataset_of(), tmp_path / "m.hdf5")
    assert (tmp_path / "m.hdf5").read_text() == "mine"


def test_places_that_cannot_be_saved_to_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/m\.hdf5: cannot be written"):
        save_predictions(lambda i: saliency_maps()[i], dataset_of(), tmp_path / "file" / "m.hdf5")
    with pytest.raises(OutputError, match=r"m\.npz: expected a name that ends in \.hdf5 or \.h5"):
        save_predictions(lambda i: saliency_maps()[i], dataset_of(), tmp_path / "m.npz")
    twice = dataset_of(names=("a.png", "a.png"))
    with pytest.raises(DataError, match=r"toy: two stimuli are called a\.png"):
        save_predictions(lambda i: saliency_maps()[i], twice, tmp_path / "m.hdf5")
