"""Colours, and grey beside transparency, of 16 bits in png and tiff files.

Pillow reads the upper 8 of colours. Read a second time as if the bytes stood the other way round, it reads the lower 8. Grey
with transparency, two channels of 16 bits, is read as if it were four of 8, whose bytes stand in the same order.
"""

import io
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from aerun.formats.archives import Member

Planes = NDArray[np.float32]
_WHITE = 65535.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601-2, as Pillow converts colours to grey
_COLOURS = ("RGB;16", "RGBA;16", "RGBX;16")  # in Pillow's words, a letter for the order of bytes behind each
_GREY = "LA;16B"
_OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # order of bytes -> the other one


def has_wide_channels(image: Image.Image) -> bool:
    """Return whether the file has several channels of 16 bits, and Pillow would give 8 of each. Nothing is decoded yet."""
    return image.mode in ("RGB", "RGBA", "LA", "CMYK") and any(";16" in raw for raw in _raw_modes(image))


def is_deep(image: Image.Image) -> bool:
    """Return whether all 16 bits of its channels can be read. Nothing is decoded yet."""
    raw = _raw_modes(image)
    if image.format not in ("PNG", "TIFF") or len(raw) != 1:
        return False
    return raw == {_GREY} or all(r[:-1] in _COLOURS and r[-1] in _OTHER for r in raw)


def _raw_modes(image: Image.Image) -> set[str]:
    """Return how the parts of the file are coded, such as RGB;16B."""
    return {_raw_mode(tile[3]) for tile in getattr(image, "tile", ()) if len(tile) > 3}


def _raw_mode(args: Any) -> str:
    return str(args[0] if isinstance(args, tuple) and args else args)


def planes_of(path: Path | Member, image: Image.Image, channels: int | None, white: float) -> Planes:
    """Return (C, H, W) upright, transparent places `white`; grey or colour as `channels` says, None: as they are."""
    values = _channels(path).transpose(2, 0, 1)
    if len(values) in (2, 4):
        alpha = values[-1:] / _WHITE
        values = values[:-1] * alpha + white * (1 - alpha)
    if channels == 1 and len(values) == 3:
        values = np.tensordot(_LUMA, values, 1)[None].round()
    if channels == 3 and len(values) == 1:
        values = np.repeat(values, 3, 0)
    if image.format == "TIFF":  # which Pillow turns as it reads
        return values
    return np.stack([_upright(plane, image) for plane in values])


def stream(path: Path | Member) -> Path | io.BytesIO:
    """Return what Pillow opens: a file by its path, a member of an archive as its bytes."""
    return path if isinstance(path, Path) else io.BytesIO(path.read_bytes())


def _channels(path: Path | Member) -> NDArray[np.float32]:
    """Return all channels (H, W, C)."""
    with Image.open(stream(path), formats=["PNG", "TIFF"]) as unread:
        grey = _raw_modes(unread) == {_GREY}
    if grey:
        with Image.open(io.BytesIO(_as_colours(path.read_bytes())), formats=["PNG"]) as image:
            read = np.asarray(image).astype(np.float32)
        return 256 * read[..., ::2] + read[..., 1::2]
    return 256 * _bytes(path, lower=False).astype(np.float32) + _bytes(path, lower=True)


def _as_colours(file: bytes) -> bytes:
    """Return a png file whose header says four channels of 8 bits; it begins with signature, length, IHDR and its 13 bytes."""
    head = file[12:24] + bytes([8, 6]) + file[26:29]
    return file[:12] + head + zlib.crc32(head).to_bytes(4, "big") + file[33:]


def _bytes(path: Path | Member, lower: bool) -> NDArray[np.uint8]:
    """Return the upper or the lower bytes (H, W, C) of all pixels."""
    with Image.open(stream(path), formats=["PNG", "TIFF"]) as image:
        if lower:
            image.tile = [tile._replace(args=_swapped(tile.args)) for tile in image.tile]
        return np.asarray(image)


def _swapped(args: Any) -> Any:
    """Return what a part's reader is told, with the other order of bytes."""
    raw = _raw_mode(args)
    swapped = raw[:-1] + _OTHER[raw[-1]]
    return (swapped, *args[1:]) if isinstance(args, tuple) else swapped


def _upright(plane: Planes, image: Image.Image) -> Planes:
    """Return a plane turned as EXIF says of its image."""
    turned = Image.fromarray(plane)
    turned.getexif()[274] = image.getexif().get(274, 1)
    return np.asarray(ImageOps.exif_transpose(turned))
