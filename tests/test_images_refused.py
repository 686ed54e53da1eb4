import errno
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from foregaze.errors import ImageError
from foregaze.images import MAX_PIXELS, find_images, image_size, read_image


def colors(height=5, width=7):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png_header(width, height):
    """A PNG file that claims a size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + data + struct.pack(">I4s", 0, b"IDAT") + b"\0" * 4


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5, 3), np.float32), r"float32 of shape \(4, 5, 3\), .*by 255 and cast"),
        (np.zeros((4, 5), np.uint16), r"uint16 of shape \(4, 5\), expected uint8"),
        (np.zeros((4, 5), bool), "bool of shape .* expected uint8"),
        (np.zeros((4, 5, 2), np.uint8), r"shape \(4, 5, 2\), expected uint8 of shape \(H, W, 3\)"),
        (np.zeros((3, 4, 5), np.uint8), r"shape \(3, 4, 5\), expected"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"shape \(2, 4, 5, 3\), expected"),
        (np.zeros(4, np.uint8), r"shape \(4,\), expected"),
        (np.zeros((0, 5, 3), np.uint8), "empty .5 x 0 pixels"),
        (np.zeros((4, 0), np.uint8), "empty .0 x 4 pixels"),
        (
            np.broadcast_to(np.uint8(0), (20000, 20000)),
            "20000 x 20000 pixels, the limit is 100,000",
        ),
    ],
)
def test_arrays_that_are_no_image_are_refused(array, message):
    with pytest.raises(ImageError, match=message):
        read_image(array)


def test_limit_holds_before_pixels_are_decoded(tmp_path):
    (tmp_path / "huge.png").write_bytes(png_header(20000, 20000))
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match=r"huge.png: .* more than 100,000,000 pixels"):
            read(tmp_path / "huge.png")


@pytest.mark.parametrize("width", [10001, 12000])
def test_limit_holds_where_pillow_only_warns(tmp_path, width):
    (tmp_path / "huge.png").write_bytes(png_header(width, 10000))
    with pytest.raises(ImageError, match=f"huge.png: .*{width} x 10000 pixels.*100,000,000"):
        read_image(tmp_path / "huge.png")


def test_image_at_the_limit_has_a_size_and_no_warning(tmp_path):
    (tmp_path / "large.png").write_bytes(png_header(10000, 10000))
    assert 10000 * 10000 == MAX_PIXELS > Image.MAX_IMAGE_PIXELS
    assert image_size(tmp_path / "large.png") == (10000, 10000)


def test_limit_holds_for_pillow_images():
    with pytest.raises(ImageError, match=r"the given image: .*10001 x 10000"):
        read_image(Image.new("1", (10001, 10000)))


def test_pillow_image_without_pixels_is_refused():
    with pytest.raises(ImageError, match=r"empty .0 x 5 pixels"):
        read_image(Image.new("RGB", (0, 5)))


def test_pillow_keeps_its_limit_and_python_its_warning_filters(tmp_path):
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    (tmp_path / "huge.png").write_bytes(png_header(20000, 20000))
    with pytest.raises(ImageError):
        read_image(tmp_path / "huge.png")
    assert before == (Image.MAX_IMAGE_PIXELS, list(warnings.filters))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (b"hello, this is text", "not an image, or not in a format that can be read"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "EPS files are not"),
        (b"GRIB\0\0\0\1", "GRIB files are not read"),
    ],
)
def test_files_that_are_no_image_are_refused(tmp_path, content, message):
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match=f"odd.png: {message}") as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".bmp", ".tif", ".webp", ".ppm"])
def test_truncated_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(colors(60, 80)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        ImageError, match=rf"cut{suffix}: (damaged image \(.|not an image)"
    ) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".bmp", ".tif", ".webp", ".ppm"])
def test_random_damage_gives_an_image_or_one_clear_error(tmp_path, suffix):
    generator = np.random.default_rng(0)
    path = tmp_path / f"hurt{suffix}"
    Image.fromarray(colors(20, 30)).save(path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(60):
        hurt = whole.copy()
        hurt[generator.integers(0, min(len(hurt), 300), 4)] = generator.integers(0, 256, 4)
        path.write_bytes(hurt.tobytes())
        try:
            assert read_image(path).dtype == np.uint8
        except ImageError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017


def test_missing_file_is_named(tmp_path):
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match=r"absent.png: no such file"):
            read(tmp_path / "absent.png")


def test_folder_is_not_an_image(tmp_path):
    with pytest.raises(ImageError, match="is a folder, expected an image file"):
        read_image(tmp_path)


def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe.png: is not a regular file"):
        read_image(tmp_path / "pipe.png")


def test_path_too_long_for_the_system_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"cannot be read .File name too long"):
        read_image(tmp_path / ("a" * 300 + ".png"))


def test_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "locked.png"
    Image.fromarray(colors()).save(path)

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # chmod does not stop root
    with pytest.raises(ImageError, match=r"locked.png: cannot be read .Permission denied"):
        read_image(path)


# --- folders


def test_folder_gives_its_images_sorted_and_nothing_else(tmp_path):
    for name in ("b.JPG", "a.png", "c.WebP", ".hidden.png", "notes.txt", "fixations.h5", "d.pdf"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "e.png").touch()
    assert [path.name for path in find_images([tmp_path])] == ["a.png", "b.JPG", "c.WebP"]


def test_files_stay_as_given_and_in_order(tmp_path):
    (tmp_path / "z.data").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.png").touch()
    given = [str(tmp_path / "z.data"), tmp_path / "folder", tmp_path / "z.data"]
    expected = [tmp_path / "z.data", tmp_path / "folder" / "a.png", tmp_path / "z.data"]
    assert find_images(given) == expected


def test_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImageError, match="the folder holds no image file"):
        find_images([tmp_path])


def test_missing_path_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="absent: no such file or folder"):
        find_images([tmp_path / "absent"])


def test_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(ImageError, match=r"cannot be read .Permission denied"):
        find_images([tmp_path])
