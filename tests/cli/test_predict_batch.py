import csv

import numpy as np

import foregaze
from foregaze.cli import predict_batch
from foregaze.errors import OutputError

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
    assert list(rows[0]) == ["scanpath", "fixation", "x", "y"]
    numbers = [(row["scanpath"], row["fixation"]) for row in rows]
    assert numbers == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"), ("2", "0"), ("2", "1")]


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
