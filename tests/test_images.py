import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from foregaze.errors import ImageError
from foregaze.images import image_size, read_image


def colors(height=5, width=7):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color_type, rows=b"", extra=(), after=()):
    """A PNG file written by hand; `rows` are raw, `extra` and `after` lie around the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(rows))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *extra,
            pixels,
            *after,
            png_chunk(b"IEND", b""),
        ]
    )


def orientation_exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


# --- arrays


def test_color_array_comes_back_as_it_is():
    array = colors()
    assert read_image(array) is array


def test_gray_array_becomes_three_equal_channels():
    gray = colors()[..., 0]
    np.testing.assert_array_equal(read_image(gray), np.dstack([gray] * 3))


def test_array_with_alpha_is_laid_over_white():
    array = np.array([[[200, 100, 0, 0], [200, 100, 0, 255], [200, 100, 0, 51]]], np.uint8)
    # 51 / 255 is a fifth: 255 - (255 - value) / 5
    expected = [[[255, 255, 255], [200, 100, 0], [244, 224, 204]]]
    assert read_image(array).tolist() == expected


def test_mirrored_view_becomes_contiguous():
    array = colors()[:, ::-1]
    read = read_image(array)
    np.testing.assert_array_equal(read, array)
    assert read.flags.c_contiguous


# --- modes


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".webp", ".tga"])
def test_lossless_files_keep_every_pixel(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    Image.fromarray(colors()).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(read_image(path), colors())
    np.testing.assert_array_equal(read_image(str(path)), colors())
    assert image_size(path) == (5, 7)


def test_jpeg_equals_what_pillow_decodes(tmp_path):
    Image.fromarray(colors(40, 50)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), np.asarray(image))


@pytest.mark.parametrize("mode", ["L", "1", "P", "YCbCr", "CMYK", "HSV", "RGBX"])
def test_pillow_modes_without_alpha_become_their_rgb(mode):
    image = Image.fromarray(colors(20, 30)).convert(mode)
    np.testing.assert_array_equal(read_image(image), np.asarray(image.convert("RGB")))


def test_one_pixel_is_an_image(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "one.png")
    assert read_image(tmp_path / "one.png").tolist() == [[[1, 2, 3]]]


def test_cmyk_jpeg_shows_its_inks(tmp_path):
    inks = np.zeros((16, 48, 4), np.uint8)
    inks[:, 16:32] = (255, 0, 0, 0)  # cyan between bare paper and black
    inks[:, 32:] = (0, 0, 0, 255)
    Image.frombytes("CMYK", (48, 16), inks.tobytes()).save(tmp_path / "a.jpg", quality=100)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()  # which stores inks inverted
    read = read_image(tmp_path / "a.jpg").astype(int)
    for column, expected in ((4, (255, 255, 255)), (24, (0, 255, 255)), (44, (0, 0, 0))):
        assert np.abs(read[8, column] - expected).max() <= 3  # JPEG is lossy


def test_lab_tiff_is_converted_to_srgb(tmp_path):
    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    smooth = np.stack(np.meshgrid(np.arange(40, 200, 20), np.arange(60, 180, 20)), -1)
    rgb = np.dstack([smooth, np.full(smooth.shape[:2], 120)]).astype(np.uint8)
    to_lab.apply(Image.fromarray(rgb)).save(tmp_path / "lab.tif")
    # eight bits of Lab are coarser than eight bits of sRGB
    assert np.abs(read_image(tmp_path / "lab.tif").astype(int) - rgb).max() <= 6


# --- deep gray


DEEP = np.array([[0, 128, 129, 257], [25700, 32767, 65534, 65535]])
DEEP_AS_BYTES = [[0, 0, 1, 1], [100, 127, 255, 255]]


@pytest.mark.parametrize(("dtype", "mode"), [("<u2", "I;16"), (">u2", "I;16B"), (np.int32, "I")])
def test_sixteen_bit_gray_is_divided_by_257(dtype, mode):
    image = Image.frombytes(mode, (4, 2), DEEP.astype(dtype).tobytes())
    assert read_image(image)[..., 1].tolist() == DEEP_AS_BYTES


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bit_gray_files_are_divided_by_257(tmp_path, suffix):
    Image.fromarray(DEEP.astype(np.uint16)).save(tmp_path / f"deep{suffix}")
    assert read_image(tmp_path / f"deep{suffix}")[..., 2].tolist() == DEEP_AS_BYTES


def test_sixteen_bit_color_png_keeps_its_high_bytes(tmp_path):
    rows = b"\0" + struct.pack(">6H", 0x1234, 0xFF00, 0x00FF, 0x8080, 0x7F01, 0xFFFF)
    (tmp_path / "deep.png").write_bytes(png(2, 1, 16, 2, rows))
    expected = [[[0x12, 0xFF, 0x00], [0x80, 0x7F, 0xFF]]]
    assert np.abs(read_image(tmp_path / "deep.png").astype(int) - expected).max() <= 1


def test_float_image_runs_from_zero_to_one(tmp_path):
    values = np.array([[0.0, 0.2, 0.5, 1.0]], np.float32)
    Image.fromarray(values).save(tmp_path / "float.tif")
    assert read_image(tmp_path / "float.tif")[..., 0].tolist() == [[0, 51, 128, 255]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0.0, 255.0]], np.float32), "from 0 to 255 .float32.*to 1 .white"),
        (np.array([[-0.1, 0.5]], np.float32), "from -0.1 to 0.5 .float32"),
        (np.array([[np.nan, 0.5]], np.float32), "from nan to nan"),
        (np.array([[0, 65536]], np.int32), "from 0 to 65536 .int32.*to 65535 .white"),
        (np.array([[-1, 5]], np.int32), "from -1 to 5"),
    ],
)
def test_gray_levels_out_of_range_are_refused(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "wild.tif")
    with pytest.raises(ImageError, match=f"wild.tif: gray levels {message}"):
        read_image(tmp_path / "wild.tif")


# --- alpha


HALF = np.array([[255, 128, 0]], np.uint8)


def over_white(value):
    return [round(255 + (value - 255) * alpha / 255) for alpha in HALF[0].tolist()]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_is_laid_over_white(tmp_path, suffix):
    image = Image.new("RGB", (3, 1), (200, 100, 0))
    image.putalpha(Image.fromarray(HALF))
    image.save(tmp_path / f"a{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    read = read_image(tmp_path / f"a{suffix}")
    assert read[0, :2, 0].tolist() == over_white(200)[:2]
    assert read[0, :2, 2].tolist() == over_white(0)[:2]
    assert read[0, 2].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["LA", "La", "RGBa", "PA"])
def test_every_alpha_mode_is_laid_over_white(mode):
    image = Image.new("L", (3, 1), 100)
    image.putalpha(Image.fromarray(HALF))
    image = image.convert("RGBA" if mode in ("RGBa", "PA") else "LA").convert(mode)
    read = read_image(image)[0, :, 1].astype(int)
    # premultiplied modes round twice
    assert np.abs(read - over_white(100)).max() <= 1


def test_transparent_palette_entries_are_white(tmp_path):
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "a.png", transparency=bytes([255, 0, 128]))
    image.save(tmp_path / "a.gif", transparency=1)
    assert read_image(tmp_path / "a.png").tolist() == [
        [[200, 0, 0], [255, 255, 255], [127, 127, 227]]
    ]
    assert read_image(tmp_path / "a.gif").tolist() == [[[200, 0, 0], [255, 255, 255], [0, 0, 200]]]


def test_transparent_color_of_a_png_is_white(tmp_path):
    Image.fromarray(np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8)).save(
        tmp_path / "rgb.png", transparency=(9, 8, 7)
    )
    Image.fromarray(np.array([[9, 1]], np.uint8)).save(tmp_path / "gray.png", transparency=9)
    (tmp_path / "deep.png").write_bytes(
        png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 2570, 2571), [png_chunk(b"tRNS", b"\x0a\x0a")])
    )
    assert read_image(tmp_path / "rgb.png").tolist() == [[[255, 255, 255], [1, 2, 3]]]
    assert read_image(tmp_path / "gray.png")[0, :, 0].tolist() == [255, 1]
    assert read_image(tmp_path / "deep.png")[0, :, 0].tolist() == [255, 10]


# --- color profiles


def icc(kind):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


def linear_profile(space=b"RGB "):
    """sRGB's profile with its tone curves replaced by straight lines, or for another space."""
    profile = bytearray(icc("sRGB"))
    for entry in range(struct.unpack(">I", profile[128:132])[0]):
        tag, offset, size = struct.unpack(">4sII", profile[132 + 12 * entry : 144 + 12 * entry])
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + size] = b"curv".ljust(size, b"\0")
    profile[16:20] = space
    return bytes(profile)


def test_pixels_of_another_profile_are_converted_to_srgb(tmp_path):
    linear = np.array([[[0, 13, 55], [128, 200, 255]]], np.uint8)
    v = linear / 255
    srgb = np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055) * 255
    Image.fromarray(linear).save(tmp_path / "linear.png", icc_profile=linear_profile())
    read = read_image(tmp_path / "linear.png").astype(float)
    assert np.abs(read - srgb).max() <= 1.5  # 8-bit rounding in the color engine


def test_profile_and_alpha_are_both_applied(tmp_path):
    image = Image.new("RGBA", (2, 1), (55, 55, 55, 255))
    image.putpixel((1, 0), (55, 55, 55, 0))
    image.save(tmp_path / "a.png", icc_profile=linear_profile())
    read = read_image(tmp_path / "a.png")[0, :, 0].astype(int)
    assert abs(read[0] - 128) <= 1
    assert read[1] == 255


def test_gray_image_with_a_color_profile_is_converted(tmp_path):
    Image.new("L", (1, 1), 55).save(tmp_path / "a.png", icc_profile=linear_profile())
    assert np.abs(read_image(tmp_path / "a.png").astype(int) - 128).max() <= 1


def test_srgb_profile_changes_no_pixel(tmp_path):
    Image.fromarray(colors(50, 60)).save(tmp_path / "a.png", icc_profile=icc("sRGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), colors(50, 60))


@pytest.mark.parametrize("profile", [b"not a profile", icc("sRGB")[:200], linear_profile(b"CMYK")])
def test_profile_that_does_not_fit_is_ignored(tmp_path, profile):
    Image.fromarray(colors()).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), colors())


# --- orientation


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(tmp_path, orientation, suffix):
    path = tmp_path / f"turned{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(colors(16, 32)).save(path, exif=orientation_exif(orientation), **options)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == ((32, 16) if orientation >= 5 else (16, 32)) == expected.shape[:2]
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_image(image), expected)


@pytest.mark.parametrize("place", ["extra", "after"])
def test_png_orientation_counts_before_and_after_the_pixels(tmp_path, place):
    exif = orientation_exif(6).tobytes().removeprefix(b"Exif\0\0")
    chunks = {place: [png_chunk(b"tEXt", b"Comment\0no"), png_chunk(b"eXIf", exif)]}
    (tmp_path / "a.png").write_bytes(png(2, 1, 8, 0, b"\0\x10\x20", **chunks))
    assert read_image(tmp_path / "a.png")[..., 0].tolist() == [[0x10], [0x20]]
    assert image_size(tmp_path / "a.png") == (2, 1)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"x"])
def test_damaged_exif_leaves_the_picture_as_stored(tmp_path, exif):
    Image.fromarray(colors()).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:33] + png_chunk(b"eXIf", exif) + data[33:])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), colors())
    assert image_size(tmp_path / "a.png") == (5, 7)


def test_size_needs_no_pixels(tmp_path):
    (tmp_path / "a.png").write_bytes(png(70, 50, 8, 2, b"no pixels here"))
    assert image_size(tmp_path / "a.png") == (50, 70)
    with pytest.raises(ImageError, match="damaged"):
        read_image(tmp_path / "a.png")


# --- frames


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_first_frame_is_read(tmp_path, suffix):
    first, second = (Image.new("RGB", (4, 3), color) for color in ("red", "blue"))
    options = {"lossless": True} if suffix == ".webp" else {}
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=[second], **options)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.n_frames == 2
    expected = np.broadcast_to(np.array([255, 0, 0], np.uint8), (3, 4, 3))
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), expected)
