"""Image files of any format that Pillow reads, as bytes (C, H, W)."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from aerun.core.errors import AerunError
from aerun.formats.archives import Member, MemberError
from aerun.formats.deep_colours import has_wide_channels, is_deep, planes_of, stream

_UNFIT = frozenset({"EPS", "PS", "PDF", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "FITS"})  # run other programs, or hold no pixels
_GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"})
_TURNED = frozenset({5, 6, 7, 8})  # values of EXIF's orientation (tag 274) that swap width and height
_DEEP = frozenset({"I", "I;16", "I;16B", "I;16L"})  # modes of grey of more than 8 bits
Bytes = NDArray[np.uint8]
Pixels = Bytes | NDArray[np.float32]
Source = Path | Member


class UnreadableError(Exception):
    """A file that is no usable image; the message says why."""


@dataclass(frozen=True)
class Shape:
    """What every image becomes. resize: scaled to (height, width), or refused where it has another size.

    crop: the image covers the new size and what stands over is cut off evenly, instead of changing its proportions.
    guessed: one grey channel, because the files that were looked at first have no more: a coloured one is refused.
    depth: bits of a pixel. Of more than 8 samples are 32-bit numbers up to 2^depth - 1, and files of 8 bits are spread to it.
    """

    channels: int
    height: int
    width: int
    resize: bool
    crop: bool
    guessed: bool
    depth: int = 8

    @property
    def unit(self) -> int:
        """Return the value of white."""
        return (1 << self.depth) - 1


class Header(NamedTuple):
    """What a file says of itself. deep: more than 8 bits, all of which are read. lost: 16 bits, of which 8 can be read.

    clear: it may have transparent places. frames: how many images it holds.
    """

    height: int
    width: int
    coloured: bool
    deep: bool
    lost: bool
    clear: bool
    frames: int


@cache
def formats() -> tuple[str, ...]:
    """Return the names of the formats that are read."""
    Image.init()
    return tuple(f for f in Image.OPEN if f not in _UNFIT)


@cache
def suffixes() -> frozenset[str]:
    """Return the suffixes of the files that are read."""
    readable = set(formats())
    return frozenset(suffix for suffix, f in Image.registered_extensions().items() if f in readable)


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Treat Pillow's warning of a decompression bomb as an error of that file, and silence its other warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def header(path: Source) -> Header:
    """Return what the file says of itself, without decoding it. Raise UnreadableError where it cannot be read."""
    with _opened(path) as image:
        wide, deep = has_wide_channels(image), image.mode in _DEEP or is_deep(image)
        clear, frames = bool(image.has_transparency_data), int(getattr(image, "n_frames", 1))
        height, width = _upright(image)  # which may decode the image, and forget of how many bits it was
        return Header(height, width, image.mode not in _GREY, deep, wide and not deep, clear, frames)


def highest(path: Source) -> int:
    """Return the largest value of a deep image. Raise UnreadableError where it cannot be read."""
    with _opened(path) as image:
        return int((planes_of(path, image, None, 0.0) if is_deep(image) else _whole(image)).max())


def read(path: Source, shape: Shape) -> Pixels:
    """Return the pixels (C, H, W) of the first frame, upright, with transparent places white.

    Raises UnreadableError where the file is damaged, and AerunError where its size, its colours or its depth are not those of
    `shape` and it was not asked to be changed.
    """
    with _opened(path) as image:
        colours = is_deep(image)
        _refuse_other(path, image, shape)
        if shape.resize:
            size = (shape.width, shape.height)
            image.draft(None, (max(size), max(size)))  # JPEG decodes a smaller version, still at least this large
        if shape.depth > 8 and (image.mode in _DEEP or colours):
            return _deep(path, image, shape, colours)
        pixels = _resized(_plain(ImageOps.exif_transpose(image), shape.channels), shape)
    values: Pixels = np.asarray(pixels)
    if shape.depth > 8:
        values = (values * np.float32(shape.unit / 255)).round().astype(np.float32)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def _resized(image: Image.Image, shape: Shape) -> Image.Image:
    size = (shape.width, shape.height)
    if not shape.resize:
        return image
    return ImageOps.fit(image, size, Image.Resampling.BICUBIC) if shape.crop else image.resize(size, Image.Resampling.BICUBIC)


def _deep(path: Source, image: Image.Image, shape: Shape, colours: bool) -> Pixels:
    """Return (C, H, W) at full depth; grey is the same in every channel."""
    if colours:
        planes = planes_of(path, image, shape.channels, shape.unit)
    else:
        planes = np.repeat(_whole(ImageOps.exif_transpose(image)).astype(np.float32)[None], shape.channels, 0)
    if planes.max() > shape.unit:
        raise AerunError(
            f"{path}: a pixel of {planes.max():.0f}, more than the {shape.depth} bits ({shape.unit}) of the files that were "
            "looked at first: say dataset.depth=16."
        )
    resized = [np.asarray(_resized(Image.fromarray(plane), shape)) for plane in planes]
    return np.stack(resized).clip(0, shape.unit)


def _whole(image: Image.Image) -> NDArray[np.int64]:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0:
        raise UnreadableError(f"a pixel of {values.min()}, below black, which is 0 (use dataset=array)")
    if values.max() > 65535:
        raise UnreadableError("pixels of more than 16 bits (use dataset=array)")
    return values


def _refuse_other(path: Source, image: Image.Image, shape: Shape) -> None:
    height, width = _upright(image)
    if not shape.resize and (height, width) != (shape.height, shape.width):
        raise AerunError(
            f"{path} is {height} x {width}, others are {shape.height} x {shape.width} (height x width): "
            "say to which size all are to be brought, such as dataset.size=64."
        )
    if shape.guessed and image.mode not in _GREY:
        raise AerunError(f"{path} is coloured ({image.mode}), others are grey: say dataset.channels=3 or dataset.channels=1.")


@contextlib.contextmanager
def _opened(path: Source) -> Iterator[Image.Image]:
    """Open an image. Raise UnreadableError for whatever Pillow stumbles over."""
    try:
        with Image.open(stream(path), formats=formats()) as image:
            yield image
    except (UnreadableError, AerunError):
        raise
    except MemberError as e:
        raise UnreadableError(str(e)) from e
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as e:
        raise UnreadableError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, as a decompression bomb has") from e
    except Exception as e:  # each of Pillow's readers fails in its own way on damaged bytes
        raise UnreadableError(_words(e)) from e


def _words(e: Exception) -> str:
    if isinstance(e, OSError) and e.strerror:
        return e.strerror
    if str(e).startswith("cannot identify image file"):
        return "not an image"
    return (str(e).strip() or type(e).__name__).splitlines()[0]


def _upright(image: Image.Image) -> tuple[int, int]:
    """Return (height, width) once EXIF's orientation is applied."""
    turned = image.getexif().get(274) in _TURNED and image.format != "TIFF"  # whose size is that of the upright image
    return (image.width, image.height) if turned else (image.height, image.width)


def _plain(image: Image.Image, channels: int) -> Image.Image:
    """Return the image in grey or colour of 8 bits, on white."""
    if image.mode == "F":
        raise UnreadableError("pixels are floating-point numbers, whose range is not known (use dataset=array)")
    if image.mode in _DEEP:  # which Pillow would clip and not scale
        image = Image.fromarray(((_whole(image) + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    return image.convert("L" if channels == 1 else "RGB")
