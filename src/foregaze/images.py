"""Files, Pillow images and arrays become sRGB arrays here, and nowhere else.

What a picture means is settled in this order: first frame, colors to sRGB (embedded ICC profile;
without one, Pillow's conversion), alpha over white, EXIF orientation. Sixteen-bit gray, which
includes Pillow's mode I, maps 0..65535 to 0..255; mode F holds 0..1.
"""

import io
import re
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Real, Shaped, UInt8
from PIL import Image, ImageCms, UnidentifiedImageError

from foregaze.errors import ImageError
from foregaze.types import ImageArray, Size

MAX_PIXELS = 100_000_000
"""Larger images are refused before they are decoded."""

# Formats that Pillow lists but that hold no photograph, or need a program outside Python (EPS).
_NOT_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_PNG_ORIENTATION = re.compile(rb"eXIf|(zTXt|tEXt)Raw profile type exif|iTXtXML:com\.adobe\.xmp")

# `warnings.catch_warnings` is global: two threads inside it at once can leave filters behind.
_WARNINGS_LOCK = threading.Lock()


def read_image(source: str | Path | Image.Image | Shaped[np.ndarray, "..."]) -> ImageArray:
    """Read an image as sRGB.

    Args:
        source: A file, a Pillow image (its current frame), or an array of uint8: (H, W, 3), gray
            (H, W), or with alpha (H, W, 4).

    Returns:
        Pixels in C order. An array that is already so comes back without a copy.

    Raises:
        ImageError: There is no usable image, or it has more than `MAX_PIXELS` pixels.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "") or "the given image")
        with _pillow_errors(name):
            _check_size(source.height, source.width, name)
            return _from_pillow(source, name)
    if isinstance(source, str | Path):
        with _pillow_errors(str(source)), _opened(Path(source)) as image:
            return _from_pillow(image, str(source))
    raise ImageError(
        f"image is a {type(source).__name__}, expected a path, a Pillow image or a uint8 array"
    )


def image_size(path: str | Path) -> Size:
    """(H, W) as `read_image` will return it, without decoding the pixels.

    Raises:
        ImageError: As `read_image`, but damage after the header goes unnoticed.
    """
    with _pillow_errors(str(path)), _opened(Path(path)) as image:
        width, height = image.size
        has_orientation = image.format != "PNG" or _png_has_orientation(image)
        turned = has_orientation and _orientation(image) >= 5
    return (width, height) if turned else (height, width)


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """The files as given, each folder replaced by the image files directly inside it.

    A folder's images are sorted by name and told by their extensions; hidden files are skipped.

    Raises:
        ImageError: A path is missing, or a folder holds no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        try:
            found += _images_in(path) if path.is_dir() else [path]
            if not path.exists():
                raise ImageError(f"{path}: no such file or folder")
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
    return found


def _images_in(folder: Path) -> list[Path]:
    formats = Image.registered_extensions()
    pictures = {
        extension
        for extension, name in formats.items()
        if (name in Image.OPEN or name == "MPO") and name not in _NOT_PICTURES
    }
    images = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in pictures and not path.name.startswith(".") and path.is_file()
    )
    if not images:
        raise ImageError(f"{folder}: the folder holds no image file (such as .jpg or .png)")
    return images


@contextmanager
def _pillow_errors(name: str) -> Iterator[None]:
    """Make one `ImageError` of whatever Pillow raises; its warnings stay inside."""
    try:
        with _WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image, or not in a format that can be read") from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name}: the image has more than {MAX_PIXELS:,} pixels, which is the limit; "
            "scale it down first"
        ) from error
    except OSError as error:
        if error.errno is None:  # from a decoder
            raise ImageError(f"{name}: damaged image ({_first_line(error)})") from error
        raise ImageError(f"{name}: cannot be read ({error.strerror})") from error
    except Exception as error:  # decoders raise anything: SyntaxError, struct.error, IndexError
        raise ImageError(f"{name}: damaged image ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image in a file, its header read and its size checked."""
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, expected an image file")
    if not path.exists():
        raise ImageError(f"{path}: no such file")
    if not path.is_file():
        raise ImageError(f"{path}: is not a regular file")
    if path.stat().st_size == 0:
        raise ImageError(f"{path}: the file is empty (0 bytes)")
    with path.open("rb") as file, Image.open(file) as image:
        if image.format in _NOT_PICTURES:
            raise ImageError(f"{path}: {image.format} files are not read; save it as PNG or JPEG")
        _check_size(image.height, image.width, str(path))
        yield image


def _check_size(height: int, width: int, name: str) -> None:
    if height * width == 0:
        raise ImageError(f"{name}: the image is empty ({width} x {height} pixels)")
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"{name}: the image has {width} x {height} pixels, the limit is {MAX_PIXELS:,}; "
            "scale it down first"
        )


def _from_array(array: Shaped[np.ndarray, "..."]) -> ImageArray:
    expected = "expected uint8 of shape (H, W, 3), (H, W) or (H, W, 4)"
    given = f"image array is {array.dtype} of shape {array.shape}"
    if np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"{given}, {expected}: multiply values in 0..1 by 255 and cast to uint8")
    if array.dtype != np.uint8:
        raise ImageError(f"{given}, {expected}: scale values to 0..255 and cast to uint8")
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(f"{given}, {expected}")
    _check_size(array.shape[0], array.shape[1], "image array")
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    elif array.shape[2] == 4:
        array = _over_white(array[..., :3], array[..., 3])
    return np.ascontiguousarray(array)


def _from_pillow(image: Image.Image, name: str) -> ImageArray:
    image.load()
    orientation = _orientation(image)
    is_gray = Image.getmodebase(image.mode) == "L"
    profile = image.info.get("icc_profile")
    alpha: UInt8[np.ndarray, "H W"] | None = None
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if "transparency" in image.info:
            alpha = np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
        image = Image.fromarray(_gray_from_deep(values, name))
    elif image.has_transparency_data:
        if image.mode == "La":  # Pillow goes from here to LA only
            image = image.convert("LA")
        with_alpha = image.convert("RGBA")
        alpha = np.asarray(with_alpha.getchannel("A"))
        image = with_alpha.convert("RGB")
    pixels = np.asarray(_to_srgb(image, profile, is_gray=is_gray))
    if alpha is not None:
        pixels = _over_white(pixels, alpha)
    return np.ascontiguousarray(_upright(pixels, orientation))


def _gray_from_deep(values: Real[np.ndarray, "H W"], name: str) -> UInt8[np.ndarray, "H W"]:
    """Gray levels of 0..65535 (integers) or 0..1 (floats) as 0..255."""
    white = 1 if np.issubdtype(values.dtype, np.floating) else 65535
    if not (values.min() >= 0 and values.max() <= white):  # so that NaN fails
        raise ImageError(
            f"{name}: gray levels from {values.min():g} to {values.max():g} ({values.dtype}), "
            f"expected 0 (black) to {white} (white): rescale them first"
        )
    return np.round(values.astype(np.float64) * (255 / white)).astype(np.uint8)


def _to_srgb(image: Image.Image, profile: bytes | None, *, is_gray: bool) -> Image.Image:
    """Colors in sRGB; a profile that is damaged or made for another kind of image is ignored."""
    if profile and image.mode != "LAB":  # Lab needs no profile
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            mode = _PROFILE_MODES[source.profile.xcolor_space.strip()]
            base = "CMYK" if image.mode == "CMYK" else "RGB"
            if mode == base or (mode == "L" and is_gray):
                return _convert_profile(image.convert(mode), source)
        except (ImageCms.PyCMSError, ImportError, KeyError, OSError, ValueError):
            pass
    return image.convert("RGB")


def _convert_profile(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    to_srgb = ImageCms.buildTransform(source, srgb, image.mode, "RGB")
    if image.mode == "RGB":
        # sRGB profiles come in variants that differ by rounding: those leave pixels as they are.
        levels = np.arange(0, 256, 15, dtype=np.uint8)
        grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(18, -1, 3)
        converted = np.asarray(to_srgb.apply(Image.fromarray(grid)))
        if np.abs(converted.astype(np.int16) - grid).max() <= 2:
            return image
    converted_image = to_srgb.apply(image)
    return converted_image


def _over_white(colors: UInt8[np.ndarray, "H W 3"], alpha: UInt8[np.ndarray, "H W"]) -> ImageArray:
    opacity = alpha[..., None].astype(np.uint16)  # (H, W, 1)
    return ((colors * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8, that is still to be applied; 1 is upright."""
    if image.format == "TIFF":  # Pillow turns these itself
        return 1
    try:
        orientation = image.getexif().get(0x0112)
    except Exception:  # damaged EXIF data raise anything and leave the picture usable
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _upright(pixels: ImageArray, orientation: int) -> UInt8[np.ndarray, "h w 3"]:
    """Pixels as seen; `h w` are `W H` where the camera lay on its side."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _png_has_orientation(image: Image.Image) -> bool:
    """Whether a PNG file says how it is turned, before or after its pixels.

    Pillow decodes the pixels to find out; its chunks tell for free.
    """
    file: BinaryIO = image.fp  # type: ignore[attr-defined]
    start = file.tell()
    file.seek(8)
    found = False
    while not found and len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        text = file.read(min(length, 32))
        found = _PNG_ORIENTATION.match(kind + text) is not None
        file.seek(length - len(text) + 4, io.SEEK_CUR)
    file.seek(start)
    return found
