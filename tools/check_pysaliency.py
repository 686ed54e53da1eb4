"""Check the exchange with pysaliency against pysaliency itself, which the tests do without.

pysaliency runs only beside older libraries, so in an environment of its own (Python 3.11 or 3.12
and a C compiler):

    python3.11 -m venv psal
    psal/bin/pip install "numpy<2" "setuptools<82" wheel cython torch h5py pandas scikit-learn
    psal/bin/pip install --no-build-isolation "pysaliency==0.2.22"
    psal/bin/pip install "numpy<2" "setuptools<82" .
    psal/bin/python -W ignore tools/check_pysaliency.py

Files go both ways: what pysaliency reads from ours, and we from its, is compared value by value.
Models too: densities, likelihoods and histories. With --golden FOLDER it writes the files in
tests/golden/pysaliency_hdf5/v0.2.22 instead (from the images there, to be compared by content).
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pysaliency
from imageio.v3 import imread
from PIL import Image
from pysaliency.utils import get_minimal_unique_filenames
from scipy.special import log_softmax, logsumexp

import foregaze
from foregaze.data import load_pysaliency, save_pysaliency
from foregaze.data.pysaliency_files import load_pysaliency_folder
from foregaze.evaluation.models import Case, ScanpathModel, SpatialModel
from foregaze.evaluation.prediction_files import read_predictions, save_predictions
from foregaze.evaluation.pysaliency_models import (
    as_pysaliency_model,
    as_pysaliency_saliency_map_model,
    from_pysaliency_model,
)
from foregaze.images import read_image
from foregaze.types import EyeTrackingDataset, Fixations, Stimuli

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "pysaliency_hdf5" / "v0.2.22"


class NearLast(pysaliency.ScanpathModel):
    """Next fixations lie near the last one; keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[list[float], list[float]]] = []

    def conditional_log_density(
        self,
        stimulus: Any,
        x_hist: Any,
        y_hist: Any,
        t_hist: Any,
        attributes: Any = None,
        out: Any = None,
    ) -> np.ndarray:
        """See pysaliency."""
        self.seen.append((list(map(float, x_hist)), list(map(float, y_hist))))
        height, width = stimulus.stimulus_data.shape[:2]
        x, y = (x_hist[-1], y_hist[-1]) if len(x_hist) else (width / 2, height / 2)
        distance = np.hypot(np.arange(width) + 0.5 - x, np.arange(height)[:, None] + 0.5 - y)
        return np.asarray(log_softmax(-distance / 10))


class Brightness(pysaliency.Model):
    """Brighter pixels are looked at more."""

    def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
        gray = stimulus.reshape(*stimulus.shape[:2], -1).mean(axis=-1) / 64
        return np.asarray(gray - logsumexp(gray))


def make_dataset(folder: Path) -> EyeTrackingDataset:
    """Color and gray images in folders, scanpaths with and without empty places."""
    rng = np.random.default_rng(8)
    names = ("Zoë/a.png", "b.png", "Zoë/c.jpg", "d.png")
    shapes: Sequence[tuple[int, ...]] = ((60, 80, 3), (50, 70), (60, 80, 3), (40, 90, 3))
    for name, shape in zip(names, shapes, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / name)
    rows = [
        (image, observer, order)
        for image in (0, 1, 3)
        for observer in (2, 0, 7)
        for order in range(rng.integers(1, 9))
        if (image, observer, order) != (3, 2, 0)
    ]
    image, observer, order = np.array(rows).T
    height, width = np.array([shape[:2] for shape in shapes]).T
    duration_ms = np.round(rng.random(len(rows)) * 500) + 1000 * (image == 1)
    return EyeTrackingDataset(
        name="made",
        stimuli=Stimuli(
            tuple(folder / name for name in names),
            tuple(shape[:2] for shape in shapes),  # type: ignore[misc]
            read_image,
            folder,
        ),
        fixations=Fixations(
            image=image,
            observer=observer,
            order=order,
            x=rng.random(len(rows)) * width[image],
            y=rng.random(len(rows)) * height[image],
            duration_ms=np.where(order == 5, np.nan, duration_ms),
        ),
        starts_at_center=True,
        px_per_dva=30.0,
        categories=("Äpfel", "", "b", "b"),
    )


def assert_same_fixations(ours: Fixations, theirs: Any) -> None:
    """Images, observers, positions and durations are equal, and orders unless places are empty."""
    np.testing.assert_array_equal(ours.image, theirs.n)
    np.testing.assert_array_equal(ours.observer, theirs.subjects)
    np.testing.assert_array_equal(ours.x, theirs.x)
    np.testing.assert_array_equal(ours.y, theirs.y)
    if hasattr(theirs, "duration"):
        np.testing.assert_allclose(ours.duration_ms, theirs.duration * 1000, rtol=1e-15)
    expected = getattr(theirs, "viewing_order", theirs.lengths)
    np.testing.assert_array_equal(ours.order, expected)


def check_reading(folder: Path) -> None:
    """We read the golden files as pysaliency does."""
    pairs = [("stimuli", "fixations"), ("stimuli", "fix"), ("arrays", "trains")]
    for stimuli_name, fixations_name in pairs:
        paths = [GOLDEN / f"{name}.hdf5" for name in (stimuli_name, fixations_name)]
        ours = load_pysaliency(*paths, starts_at_center=False)
        stimuli, fixations = (pysaliency.read_hdf5(str(path)) for path in paths)
        assert ours.stimuli.sizes == tuple(map(tuple, stimuli.sizes))
        in_file = stimuli.attributes.get("filenames")
        names = get_minimal_unique_filenames(stimuli.filenames if in_file is None else in_file)
        assert list(ours.stimuli.names) == list(names)
        for number, stimulus in enumerate(stimuli.stimuli):
            np.testing.assert_array_equal(ours.stimuli[number], read_image(np.asarray(stimulus)))
        assert list(ours.categories) == list(stimuli.attributes.get("category", []))
        assert_same_fixations(ours.fixations, fixations)


def check_writing(folder: Path) -> None:
    """What we write, pysaliency reads."""
    dataset = make_dataset(folder / "images")
    save_pysaliency(dataset, folder / "saved")
    stimuli = pysaliency.read_hdf5(str(folder / "saved" / "stimuli.hdf5"))
    fixations = pysaliency.read_hdf5(str(folder / "saved" / "fixations.hdf5"))
    assert [tuple(size) for size in stimuli.sizes] == list(dataset.stimuli.sizes)
    assert get_minimal_unique_filenames(stimuli.filenames) == list(dataset.stimuli.names)
    assert list(stimuli.attributes["category"]) == list(dataset.categories)
    for number, path in enumerate(dataset.stimuli.paths):
        np.testing.assert_array_equal(stimuli.stimuli[number], imread(path))
        assert tuple(stimuli.shapes[number]) == imread(path).shape
    assert_same_fixations(dataset.fixations, fixations)
    again = load_pysaliency_folder(folder / "saved")
    for field in ("image", "observer", "order", "x", "y", "duration_ms"):
        np.testing.assert_array_equal(
            getattr(again.fixations, field), getattr(dataset.fixations, field)
        )
    fixations.to_hdf5(str(folder / "again.hdf5"))  # and from pysaliency back to us
    back = load_pysaliency(
        folder / "saved" / "stimuli.hdf5", folder / "again.hdf5", starts_at_center=True
    )
    assert_same_fixations(back.fixations, fixations)
    np.testing.assert_array_equal(back.fixations.order, dataset.fixations.order)


def check_arrays(folder: Path) -> None:
    """Images inside HDF5 files go both ways."""
    ours = load_pysaliency(GOLDEN / "arrays.hdf5", GOLDEN / "trains.hdf5", starts_at_center=False)
    save_pysaliency(ours, folder / "saved")
    before = pysaliency.read_hdf5(str(GOLDEN / "arrays.hdf5"))
    after = pysaliency.read_hdf5(str(folder / "saved" / "stimuli.hdf5"))
    assert list(before.stimulus_ids) == list(after.stimulus_ids)
    assert list(before.attributes["category"]) == list(after.attributes["category"])
    assert list(after.attributes["filenames"]) == list(ours.stimuli.names)


def check_predictions(folder: Path) -> None:
    """Files of predictions go both ways."""
    dataset = make_dataset(folder / "images")
    save_pysaliency(dataset, folder / "saved")
    stimuli = pysaliency.read_hdf5(str(folder / "saved" / "stimuli.hdf5"))
    model = Brightness()
    pysaliency.export_model_to_hdf5(model, stimuli, str(folder / "theirs.hdf5"))
    for data in (dataset, load_pysaliency_folder(folder / "saved"), dataset.subset([2, 0])):
        predictions = read_predictions(folder / "theirs.hdf5", data)
        assert predictions.are_densities
        for image, path in enumerate(data.stimuli.paths):
            np.testing.assert_allclose(
                predictions.maps(image).log_density, model.log_density(imread(path)), atol=1e-12
            )
    wrapped = from_pysaliency_model(model, dataset)
    assert isinstance(wrapped, SpatialModel)
    save_predictions(wrapped.predict, dataset, folder / "ours.hdf5")
    for kind in (pysaliency.HDF5Model, pysaliency.HDF5SaliencyMapModel):
        theirs = kind(stimuli, str(folder / "ours.hdf5"))
        predict = getattr(theirs, "log_density", getattr(theirs, "saliency_map", None))
        for stimulus in stimuli:
            np.testing.assert_array_equal(predict(stimulus), model.log_density(stimulus))
    # a model that looks its predictions up by the hash of the decoded image, through our wrapper
    looked_up = from_pysaliency_model(
        pysaliency.HDF5Model(stimuli, str(folder / "ours.hdf5")), dataset
    )
    for image, path in enumerate(dataset.stimuli.paths):
        np.testing.assert_array_equal(looked_up.predict(image), model.log_density(imread(path)))


def check_our_models(folder: Path) -> None:
    """Our model predicts and is scored as pysaliency's."""
    dataset = make_dataset(folder / "images")
    save_pysaliency(dataset, folder / "saved")
    stimuli = pysaliency.read_hdf5(str(folder / "saved" / "stimuli.hdf5"))
    fixations = pysaliency.read_hdf5(str(folder / "saved" / "fixations.hdf5"))
    predictor = foregaze.load_model("default-fast", device="cpu")
    model = as_pysaliency_model(predictor)
    likelihoods = model.log_likelihoods(stimuli, fixations)
    f = dataset.fixations
    for row in range(len(f)):
        prediction = predictor.predict(imread(dataset.stimuli.paths[f.image[row]]))
        assert likelihoods[row] == prediction.log_density[f.row[row], f.column[row]]
    area = np.array([h * w for h, w in dataset.stimuli.sizes])[f.image]
    gain = np.mean(likelihoods + np.log(area)) / np.log(2)
    np.testing.assert_allclose(model.information_gain(stimuli, fixations), gain, rtol=1e-12)
    maps = as_pysaliency_saliency_map_model(predictor, "nss")
    for image, stimulus in enumerate(stimuli):
        expected = predictor.predict(imread(dataset.stimuli.paths[image])).saliency_map("nss")
        np.testing.assert_array_equal(maps.saliency_map(stimulus), expected)
    assert np.isfinite(maps.NSS(stimuli, fixations))
    assert 0 < maps.AUC(stimuli, fixations) < 1


def check_their_models(folder: Path) -> None:
    """Models of pysaliency give us the likelihoods that they give pysaliency."""
    dataset = make_dataset(folder / "images")
    kept = (dataset.fixations.image != 3) | (dataset.fixations.observer != 2)
    fixations = dataset.fixations.where(kept)  # without the scanpath that has an empty place
    dataset = EyeTrackingDataset("made", dataset.stimuli, fixations, False, None)
    save_pysaliency(dataset, folder / "saved")
    stimuli = pysaliency.read_hdf5(str(folder / "saved" / "stimuli.hdf5"))
    theirs = pysaliency.read_hdf5(str(folder / "saved" / "fixations.hdf5"))
    models = {
        "Brightness": (Brightness(), SpatialModel),
        "UniformModel": (pysaliency.UniformModel(), SpatialModel),
        "NearLast": (NearLast(), ScanpathModel),
    }
    for name, (model, kind) in models.items():
        ours = from_pysaliency_model(model, dataset)
        assert isinstance(ours, kind)
        assert ours.name == name
        likelihoods = np.concatenate([_likelihoods(ours, dataset, i) for i in range(len(dataset))])
        seen, model.seen = getattr(model, "seen", []), []
        np.testing.assert_array_equal(likelihoods, model.log_likelihoods(stimuli, theirs))
        assert seen == model.seen  # the same histories, in the same order
    maps = from_pysaliency_model(pysaliency.GaussianSaliencyMapModel(), dataset)
    assert isinstance(maps, SpatialModel)
    expected = pysaliency.GaussianSaliencyMapModel().saliency_map(stimuli[1])
    np.testing.assert_array_equal(maps.predict(1).saliency_map, expected)  # type: ignore[union-attr]


def _likelihoods(model: Any, dataset: EyeTrackingDataset, image: int) -> np.ndarray:
    fixations = dataset.on_image(image)
    values = np.full(len(fixations), np.nan)
    for group in model.on(image)(Case(image, fixations, None)):  # type: ignore[arg-type]
        f = fixations.where(group.rows)
        values[group.rows] = group.maps.log_density[f.row, f.column]
    return values


CHECKS: tuple[Callable[[Path], None], ...] = (
    check_reading,
    check_writing,
    check_arrays,
    check_predictions,
    check_our_models,
    check_their_models,
)


def write_golden(folder: Path) -> None:
    """The files of tests/golden/pysaliency_hdf5, by the pysaliency that is installed."""
    names = [f"stimuli/sub/im{number}.png" for number in range(3)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((GOLDEN / name).read_bytes())
    stimuli = pysaliency.FileStimuli([str(folder / name) for name in names])
    stimuli.to_hdf5(str(folder / "stimuli.hdf5"))
    fixations = pysaliency.FixationTrains.from_fixation_trains(
        [[1.5, 2.5, 3.0], [4.0, 5.0]],
        [[1.0, 2.0, 3.0], [4.0, 5.0]],
        [[0.0, 0.1, 0.2], [0.0, 0.1]],
        [0, 2],
        [0, 1],
        scanpath_fixation_attributes={"durations": [[0.1, 0.2, 0.3], [0.4, 0.5]]},
        scanpath_attribute_mapping={"durations": "duration"},
    )
    fixations.to_hdf5(str(folder / "fixations.hdf5"))
    fixations[fixations.n == 0].to_hdf5(str(folder / "fix.hdf5"))
    pysaliency.export_model_to_hdf5(pysaliency.UniformModel(), stimuli, str(folder / "model.hdf5"))
    corners = [np.array(stimuli.stimuli[0][:6, :9]), np.array(stimuli.stimuli[1][:7, :5, 0])]
    attributes = {"category": ["Äpfel", "b"], "filenames": ["a/x/1.png", "a/2.png"]}
    pysaliency.Stimuli(corners, attributes=attributes).to_hdf5(str(folder / "arrays.hdf5"))
    pysaliency.FixationTrains.from_fixation_trains(
        [[1.5, 2.25], [4.0]],
        [[1.0, 2.0], [6.5]],
        [[0, 1], [0]],
        [0, 1],
        [3, 5],
        scanpath_attributes={"task": np.array([1, 2])},
        attributes={"duration": np.array([0.25, 0.5, 0.125])},
    ).to_hdf5(str(folder / "trains.hdf5"))


def main() -> None:
    """Run all checks, or write the golden files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--golden", type=Path, metavar="FOLDER", help="write the golden files here")
    golden = parser.parse_args().golden
    if golden is not None:
        write_golden(golden)
        return
    print(f"pysaliency {version('pysaliency')}, NumPy {np.__version__}")
    for check in CHECKS:
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))
        print(f"ok: {(check.__doc__ or '').rstrip('.')}")


if __name__ == "__main__":
    main()
