import csv

import numpy as np
import pytest

import foregaze
from foregaze.cli import predict_batch
from foregaze.data import CenterBias
from foregaze.errors import OutputError
from foregaze.evaluation.scanpath_csv import read_scanpaths
from foregaze.models.deepgaze import DeepGaze
from tests.inference.toy_deepgaze import save_toy

SIZE = (60, 80)  # of the images in conftest.py


def read_table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_picture_shows_the_fixations_of_the_table(predict, photo, tmp_path, drawn):
    predict(photo, "--format", "png", "--format", "csv", "--fixations", "9")
    ((_, _, x, y, title),) = drawn
    rows = read_table(tmp_path / "foregaze-output" / "photo.csv")
    assert [(float(row["x"]), float(row["y"])) for row in rows] == list(zip(x, y, strict=True))
    assert title == "photo.png"


def test_no_rounding_carries_a_fixation_out_of_the_image(predict, photo, tmp_path, monkeypatch):
    at_the_edge = np.array([[79.99999, 59.9996]])
    monkeypatch.setattr(foregaze.Prediction, "sample", lambda *arguments, **options: at_the_edge)
    predict(photo, "--format", "csv", "--fixations", "1")
    table = (tmp_path / "foregaze-output" / "photo.csv").read_text()
    assert table == "fixation,x,y\n0,79.999,59.999\n"


def test_scanpaths_are_numbered_and_their_independence_is_said(predict, photo, tmp_path):
    outcome = predict(photo, "--scanpaths", "3", "--length", "2")
    assert outcome.code == 0
    assert outcome.err.count("\n") == 1
    assert "are drawn independently from the density" in outcome.err
    assert names_in(tmp_path / "foregaze-output") == ["photo.csv", "photo.png"]
    rows = read_table(tmp_path / "foregaze-output" / "photo.csv")
    assert list(rows[0]) == ["image", "observer", "order", "x", "y"]
    assert {row["image"] for row in rows} == {"photo.png"}
    numbers = [(row["observer"], row["order"]) for row in rows]
    assert numbers == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"), ("2", "0"), ("2", "1")]


@pytest.fixture(scope="module")
def toy3(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("toy") / "toy3.safetensors", "deepgaze3")


def test_a_history_and_its_absence_reach_the_model(predict, photo, tmp_path, toy3):
    model = foregaze.load_model(str(toy3))
    histories = {
        (): {},
        ("--history", "20,50", "--history", "70.5,10"): {
            "x_hist": [20.0, 70.5],
            "y_hist": [50.0, 10.0],
        },
        ("--history", "none"): {"x_hist": [], "y_hist": []},
    }
    for options, given in histories.items():
        arguments = (photo, "--format", "npy", "--pixels-per-degree", "35", "--overwrite")
        outcome = predict(*arguments, *options, model=toy3)
        note = f"foregaze: model {str(toy3)!r} predicts what follows past fixations: without "
        assert outcome.err.startswith(note) if not given else outcome.err == ""
        written = np.load(tmp_path / "foregaze-output" / "photo.npy")
        expected = model.predict(photo, pixels_per_degree=35.0, **given).log_density
        np.testing.assert_array_equal(written, expected)


def test_scanpaths_go_on_from_the_history_and_hold_it(predict, photo, tmp_path, toy3):
    outcome = predict(
        *(photo, "--scanpaths", "2", "--length", "3", "--format", "csv", "--seed", "4"),
        *("--history", "20,50", "--history", "70.5,10", "--pixels-per-degree", "35"),
        model=toy3,
    )
    assert (outcome.code, outcome.err) == (0, "")
    rows = read_table(tmp_path / "foregaze-output" / "photo.csv")
    assert [row["order"] for row in rows] == list("0123401234")
    found = np.array([[float(row["x"]), float(row["y"])] for row in rows]).reshape(2, 5, 2)
    np.testing.assert_array_equal(found[:, :2], [[[20, 50], [70.5, 10]]] * 2)
    expected = foregaze.load_model(str(toy3)).sample_scanpaths(
        photo, 2, 3, 4, x_hist=[20.0, 70.5], y_hist=[50.0, 10.0], pixels_per_degree=35.0
    )
    np.testing.assert_allclose(found[:, 2:], expected, atol=1e-3)


def test_whatever_is_written_takes_one_pass_of_the_backbone(
    predict, photo, drawn, toy3, monkeypatch
):
    passes = []
    features = DeepGaze.features
    monkeypatch.setattr(DeepGaze, "features", lambda *given: passes.append(1) or features(*given))
    formats = ("--format", "npy", "--format", "png", "--format", "csv", "--scanpaths", "3")
    assert predict(photo, *formats, "--pixels-per-degree", "35", model=toy3).code == 0
    assert len(passes) == 1


def test_an_image_of_a_batch_that_would_be_rescaled_beyond_the_limit_is_skipped(
    predict, photo, drawn, save_image, toy3
):
    save_image(photo.parent / "large.png", size=(600, 800))
    arguments = ("--history", "none", "--pixels-per-degree", "0.4", "--format", "csv")
    outcome = predict("photos", *arguments, model=toy3)
    assert outcome.code == 1
    assert "skipped: photos/large.png: image of 800x600 pixels, of which 0.4" in outcome.err


@pytest.mark.parametrize("formats", [(), ("--format", "csv")])
def test_without_history_scanpaths_start_at_the_center(predict, photo, tmp_path, toy3, formats):
    arguments = ("--scanpaths", "2", "--length", "1", "--pixels-per-degree", "35", *formats)
    outcome = predict(photo, *arguments, model=toy3)
    assert "takes one, at the image's center" in outcome.err
    rows = read_table(tmp_path / "foregaze-output" / "photo.csv")
    assert [(row["x"], row["y"]) for row in rows[::2]] == [("40.000", "30.000")] * 2


def test_scanpaths_are_what_evaluate_reads(predict, osie_root, tmp_path, toy3):
    dataset = foregaze.load_dataset("osie", osie_root)
    image = dataset.stimuli.paths[1]
    arguments = ("--scanpaths", "3", "--length", "4", "--format", "csv")
    assert predict(image, *arguments, "--pixels-per-degree", "35", model=toy3).code == 0
    read = read_scanpaths(tmp_path / "foregaze-output" / f"{image.stem}.csv", dataset)
    assert list(read) == [1]
    assert [len(scanpath.x) for scanpath in read[1]] == [5, 5, 5]
    assert all((scanpath.x[0], scanpath.y[0]) == (40, 30) for scanpath in read[1])


def test_a_warning_is_one_note_for_all_images_that_it_is_about(
    predict, photo, drawn, save_image, toy3
):
    save_image(photo.parent / "second.png", seed=1)
    outcome = predict("photos", "--history", "none", model=toy3)
    assert outcome.code == 0
    (line,) = outcome.err.splitlines()
    assert line.startswith("foregaze: photos/photo.png and 1 more: ")
    assert line.endswith("this one has 80x60 pixels: give pixels_per_degree to have it rescaled")


def test_a_history_outside_an_image_of_a_batch_skips_it(predict, photo, drawn, save_image, toy3):
    save_image(photo.parent / "small.png", size=(50, 50))
    outcome = predict("photos", "--history", "70,10", "--pixels-per-degree", "35", model=toy3)
    assert outcome.code == 1
    assert "skipped: photos/small.png: x_hist has 70, outside the image" in outcome.err


def test_what_no_image_is_to_blame_for_ends_a_batch(predict, photo, toy3, tmp_path, monkeypatch):
    monkeypatch.setenv("FOREGAZE_CACHE", str(tmp_path / "cache"))
    error = predict("photos", "--centerbias", "mit1003", model=toy3).error()
    assert "the center bias of MIT1003 is not here: save https://" in error
    assert (
        "has no parameters for data sets"
        in predict(
            *("photos", "--viewers", "MIT1003", "--scanpaths", "1", "--format", "csv"), model=toy3
        ).error()
    )


def test_viewers_of_a_data_set_reach_the_model(predict, photo, tmp_path):
    path = save_toy(tmp_path / "msdb.safetensors", "deepgaze-msdb")
    arguments = (photo, "--format", "npy", "--pixels-per-degree", "8", "--viewers", "CAT2000")
    assert predict(*arguments, model=path).code == 0
    model = foregaze.load_model(str(path))
    expected = model.predict(photo, pixels_per_degree=8.0, dataset="CAT2000").log_density
    written = np.load(tmp_path / "foregaze-output" / "photo.npy")
    np.testing.assert_array_equal(written, expected)


def test_the_center_bias_of_a_data_set_is_used(predict, photo, tmp_path, osie_root, toy3):
    arguments = (photo, "--format", "npy", "--pixels-per-degree", "35", "--history", "none")
    assert predict(*arguments, "--centerbias", f"osie={osie_root}", model=toy3).code == 0
    prior = CenterBias(foregaze.load_dataset("osie", osie_root))
    expected = foregaze.load_model(str(toy3)).predict(
        photo, pixels_per_degree=35.0, centerbias=prior, x_hist=[], y_hist=[]
    )
    written = np.load(tmp_path / "foregaze-output" / "photo.npy")
    np.testing.assert_array_equal(written, expected.log_density)


def test_the_same_seed_gives_the_same_table(predict, photo, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        predict(photo, "--format", "csv", "--seed", str(seed), "--output", folder)
    tables = [(tmp_path / folder / "photo.csv").read_text() for folder in "abc"]
    assert tables[0] == tables[1] != tables[2]


def test_a_center_bias_is_used(predict, photo, tmp_path, tiny_checkpoint):
    columns = np.exp(-np.linspace(0, 3, SIZE[1]))
    density = np.tile(columns, (SIZE[0], 1))
    prior = np.log(density / density.sum())
    np.save(tmp_path / "prior.npy", prior)
    model = foregaze.load_model(str(tiny_checkpoint))
    for given, centerbias in (("prior.npy", prior), ("uniform", "uniform")):
        predict(photo, "--format", "npy", "--centerbias", given, "--overwrite")
        written = np.load(tmp_path / "foregaze-output" / "photo.npy")
        expected = model.predict(photo, centerbias=centerbias).log_density
        np.testing.assert_array_equal(written, expected)


def test_a_folder_is_a_batch(predict, tmp_path, drawn, save_image):
    for number in range(5):
        save_image(tmp_path / "photos" / f"{number}.png", seed=number)
    outcome = predict("photos", "--output", "out", "--format", "npy", "--format", "png")
    assert outcome.code == 0
    assert outcome.out == "5 images: npy and png files in out\n"
    assert len(names_in(tmp_path / "out")) == 10


def test_bad_images_of_a_batch_are_skipped_and_listed(predict, photo, tmp_path, drawn):
    (photo.parent / "broken.png").write_bytes(photo.read_bytes()[:60])
    (photo.parent / "text.jpg").write_text("no image")
    outcome = predict("photos", "missing.png")
    assert outcome.code == 1
    assert outcome.out == "foregaze-output/photo.png\n"
    lines = outcome.err.splitlines()
    assert lines[0] == "foregaze: skipped: missing.png: no such file or folder"
    assert lines[1].startswith("foregaze: skipped: photos/broken.png: ")
    assert lines[2].startswith("foregaze: skipped: photos/text.jpg: ")
    assert len(lines) == 3
    assert names_in(tmp_path / "foregaze-output") == ["photo.png"]


def test_a_batch_without_a_good_image_leaves_nothing(predict, tmp_path):
    (tmp_path / "a.png").write_text("no image")
    outcome = predict("a.png", "b.png")
    assert (outcome.code, outcome.out) == (1, "")
    assert len(outcome.err.splitlines()) == 2
    assert not (tmp_path / "foregaze-output").exists()


def test_an_image_that_the_center_bias_does_not_fit_is_skipped(
    predict, photo, tmp_path, drawn, save_image
):
    save_image(photo.parent / "other.png", size=(30, 30))
    np.save(tmp_path / "prior.npy", np.full(SIZE, -np.log(SIZE[0] * SIZE[1])))
    outcome = predict("photos", "--centerbias", "prior.npy")
    assert outcome.code == 1
    assert (
        "skipped: photos/other.png: centerbias has shape (60, 80), expected (30, 30)" in outcome.err
    )


def test_a_full_disk_ends_a_batch(predict, photo, monkeypatch):
    def fail(figure, path):
        raise OutputError("out/photo.png: cannot be written (No space left on device)")

    monkeypatch.setattr(predict_batch, "save_figure", fail)
    assert "No space left" in predict("photos").error()


def test_file_names_that_are_no_text_are_printed_escaped(predict, tmp_path, drawn, save_image):
    save_image(tmp_path / "a.png").rename(tmp_path / "a\udcff.png")
    outcome = predict("a\udcff.png")
    assert (outcome.code, outcome.out) == (0, "foregaze-output/a\\udcff.png\n")


def test_an_interrupt_leaves_nothing_half_written(
    run, photo, tmp_path, tiny_checkpoint, monkeypatch
):
    def interrupt(figure, path):
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(predict_batch, "save_figure", interrupt)
    outcome = run(
        "predict", photo, "--model", tiny_checkpoint, "--format", "npy", "--format", "png"
    )
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "foregaze: interrupted\n")
    assert not (tmp_path / "foregaze-output").exists()


def tables_of(outcome, tmp_path):
    assert outcome.code == 0
    rows = read_table(tmp_path / "foregaze-output" / "photo.csv")
    scanpaths = {}
    for row in rows:
        scanpaths.setdefault(row["observer"], []).append(row)
    return list(scanpaths.values())


def test_scanpaths_of_a_model_that_starts_begin_with_a_drawn_fixation(
    predict, photo, tmp_path, scanpath_checkpoint, drawn
):
    outcome = predict(photo, "--scanpaths", "3", "--length", "4", model=scanpath_checkpoint)
    assert (
        "predicts what follows past fixations: without --history it predicts first" in outcome.err
    )
    assert "center" not in outcome.err
    scanpaths = tables_of(outcome, tmp_path)
    assert [[row["order"] for row in one] for one in scanpaths] == [list("0123")] * 3
    assert list(scanpaths[0][0]) == ["image", "observer", "order", "x", "y"]
    found = np.array([[[float(row["x"]), float(row["y"])] for row in one] for one in scanpaths])
    model = foregaze.load_model(str(scanpath_checkpoint))
    np.testing.assert_allclose(found, model.sample_scanpaths(photo, 3, 4, 0), atol=1e-3)
    ((_, log_density, x, y, _),) = drawn
    np.testing.assert_array_equal(np.column_stack([x, y]), found.reshape(-1, 2))
    np.testing.assert_array_equal(log_density, model.predict(photo).log_density)


def test_a_model_that_starts_goes_on_from_a_history_and_holds_it(
    predict, photo, tmp_path, scanpath_checkpoint
):
    arguments = (photo, "--scanpaths", "2", "--length", "2", "--format", "csv")
    outcome = predict(*arguments, "--history", "20,50", model=scanpath_checkpoint)
    assert outcome.err == ""
    found = [[(row["x"], row["y"]) for row in one] for one in tables_of(outcome, tmp_path)]
    assert [one[0] for one in found] == [("20.000", "50.000")] * 2
    assert [len(one) for one in found] == [3, 3]
    model = foregaze.load_model(str(scanpath_checkpoint))
    expected = model.sample_scanpaths(photo, 2, 2, 0, x_hist=[20.0], y_hist=[50.0])
    np.testing.assert_allclose(np.array(found, dtype=float)[:, 1:], expected, atol=1e-3)


def test_scanpaths_of_some_seconds_come_with_durations(
    predict, photo, tmp_path, scanpath_checkpoint, drawn
):
    arguments = (photo, "--scanpaths", "4", "--seconds", "1.5", "--seed", "2")
    scanpaths = tables_of(predict(*arguments, model=scanpath_checkpoint), tmp_path)
    model = foregaze.load_model(str(scanpath_checkpoint))
    viewings = model.sample_viewings(photo, 4, seconds=1.5, seed=2)
    assert len({len(one) for one in viewings}) > 1
    for rows, one in zip(scanpaths, viewings, strict=True):
        assert list(rows[0]) == ["image", "observer", "order", "x", "y", "duration_ms"]
        for column, expected in (("x", one.x), ("y", one.y), ("duration_ms", one.duration_ms)):
            found = np.array([float(row[column]) for row in rows])
            np.testing.assert_allclose(found, expected, atol=1e-3)
    ((_, _, x, _, _),) = drawn
    assert len(x) == sum(map(len, viewings))


def test_durations_of_a_history_are_not_known(predict, photo, tmp_path, scanpath_checkpoint):
    arguments = (photo, "--scanpaths", "1", "--seconds", "1", "--format", "csv")
    ((first, *others),) = tables_of(
        predict(*arguments, "--history", "20,50", model=scanpath_checkpoint), tmp_path
    )
    assert (first["x"], first["y"], first["duration_ms"]) == ("20.000", "50.000", "")
    assert sum(float(row["duration_ms"]) for row in others) >= 1000
    assert sum(float(row["duration_ms"]) for row in others[:-1]) < 1000


@pytest.mark.parametrize("amount", [("--length", "4"), ("--seconds", "1.5")])
def test_scanpaths_of_a_model_that_starts_are_what_evaluate_reads(
    run, predict, osie_root, tmp_path, scanpath_checkpoint, amount
):
    images = [osie_root / "stimuli" / f"100{number}.jpg" for number in (1, 2, 3)]
    arguments = ("--scanpaths", "3", *amount, "--format", "csv")
    assert predict(*images, *arguments, model=scanpath_checkpoint).code == 0
    tables = [(tmp_path / "foregaze-output" / f"{i.stem}.csv").read_text() for i in images]
    header = tables[0].splitlines()[0]
    joined = [header, *(line for table in tables for line in table.splitlines()[1:])]
    (tmp_path / "all.csv").write_text("\n".join(joined) + "\n")
    read = read_scanpaths(tmp_path / "all.csv", foregaze.load_dataset("osie", osie_root))
    assert sorted(read) == [0, 1, 2]
    scanpaths = [scanpath for group in read.values() for scanpath in group]
    assert len(scanpaths) == 9
    assert all(one.has_durations == (amount[0] == "--seconds") for one in scanpaths)
    assert len({(one.x[0], one.y[0]) for one in scanpaths}) == 9
    arguments = ("--scanpaths", "toy=all.csv", "--dataset", "osie", "--root", osie_root)
    outcome = run("evaluate", *arguments, "--output", "report")
    assert outcome.code == 0
    assert "3 images" in outcome.out


@pytest.mark.parametrize("kind", ["spatial", "deepgaze3"])
def test_seconds_of_a_model_without_durations_are_refused(
    predict, photo, tmp_path, tiny_checkpoint, toy3, kind
):
    model = {"spatial": tiny_checkpoint, "deepgaze3": toy3}[kind]
    for images in (photo, "photos"):
        arguments = (images, "--scanpaths", "2", "--seconds", "2", "--pixels-per-degree", "35")
        error = predict(*arguments, model=model).error()
        assert "does not say how long fixations last: give a length, not seconds" in error
        assert not (tmp_path / "foregaze-output").exists()
