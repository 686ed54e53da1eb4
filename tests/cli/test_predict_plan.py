import numpy as np
import pytest

SIZE = (60, 80)  # of the images in conftest.py


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "empty"), (b"text", "not an image"), ("cut", "damaged image")],
)
def test_a_single_bad_image_leaves_nothing(predict, photo, tmp_path, content, message):
    path = tmp_path / "bad.png"
    if content == "cut":
        content = photo.read_bytes()[:-40]
    if content is not None:
        path.write_bytes(content)
    error = predict(path).error()
    assert "bad.png: " in error
    assert message in error
    assert not (tmp_path / "foregaze-output").exists()


def test_a_bad_image_keeps_an_empty_folder_that_was_there(predict, tmp_path):
    (tmp_path / "out").mkdir()
    predict("bad.png", "--output", "out").error()
    assert (tmp_path / "out").is_dir()


def test_a_folder_without_images_is_refused(predict, photo, tmp_path):
    (tmp_path / "empty").mkdir()
    for inputs in (["empty"], [photo, "empty"]):
        assert "empty: the folder holds no image file" in predict(*inputs).error()


def test_an_unknown_format_is_refused(predict, photo):
    assert "'gif' is not one of 'png', 'npy', 'csv'" in predict(photo, "--format", "gif").error()


def test_two_images_with_one_stem_are_refused(predict, photo, save_image):
    save_image(photo.with_suffix(".jpg"))
    error = predict("photos").error()
    assert "photos/photo.png and photos/photo.jpg have the same stem" in error


def test_one_image_given_twice_is_refused(predict, photo):
    assert "photo.png is given twice" in predict(photo, photo).error()


def test_earlier_results_are_replaced_only_on_demand(predict, photo, tmp_path, drawn):
    output = tmp_path / "foregaze-output"
    output.mkdir()
    for extension in ("png", "npy"):
        (output / f"photo.{extension}").write_text("earlier")
    formats = ["--format", "png", "--format", "npy"]
    error = predict(photo, *formats).error()
    assert "foregaze-output/photo.png: exists already, and so do 1 more results; " in error
    assert (output / "photo.png").read_text() == "earlier"
    assert predict(photo, *formats, "--overwrite").code == 0
    assert np.load(output / "photo.npy").shape == SIZE


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_an_input_is_never_replaced(predict, photo, tmp_path, options):
    content = photo.read_bytes()
    error = predict(photo, "--output", "photos", *options).error()
    assert "photos/photo.png: the result would replace the input" in error
    assert photo.read_bytes() == content


def test_an_input_behind_a_link_is_never_replaced(predict, photo, tmp_path):
    (tmp_path / "link").symlink_to(photo.parent)
    error = predict("link", "--output", "photos", "--overwrite").error()
    assert "would replace the input link/photo.png" in error


def test_a_center_bias_is_never_replaced(predict, photo, tmp_path):
    np.save(tmp_path / "photo.npy", np.zeros(SIZE))
    error = predict(
        *(photo, "--centerbias", "photo.npy", "--format", "npy"),
        *("--output", ".", "--overwrite"),
    ).error()
    assert "photo.npy: the result would replace the input photo.npy" in error


def test_a_result_does_not_replace_a_folder(predict, photo, tmp_path):
    (tmp_path / "out" / "photo.png").mkdir(parents=True)
    assert "photo.png: is a folder" in predict(photo, "--output", "out", "--overwrite").error()


@pytest.mark.parametrize("output", ["taken", "taken/below"])
def test_an_output_that_is_a_file_is_refused(predict, photo, tmp_path, output):
    (tmp_path / "taken").write_text("mine")
    assert "is not a folder" in predict(photo, "--output", output).error()
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"text", "is no .npy file of numbers"),
        (b"", "is no .npy file of numbers"),
        (np.zeros((2, 3, 4)), "holds float64 of shape (2, 3, 4), expected floating point"),
        (np.zeros((60, 80), np.int64), "holds int64 of shape (60, 80)"),
        (np.array([[{}]]), "is no .npy file of numbers"),
        (np.zeros((10, 10)), "photo.png: centerbias has shape (10, 10), expected (60, 80)"),
        (np.zeros(SIZE), "photo.png: centerbias sums to 4800 after exp"),
        (np.full(SIZE, np.nan), "holds NaN or plus infinity, expected a log density"),
    ],
)
def test_a_wrong_center_bias_is_refused(predict, photo, tmp_path, content, message):
    path = tmp_path / "prior.npy"
    if isinstance(content, np.ndarray):
        np.save(path, content, allow_pickle=True)
    elif content is not None:
        path.write_bytes(content)
    assert message in predict(photo, "--centerbias", path).error()
    assert not (tmp_path / "foregaze-output").exists()
