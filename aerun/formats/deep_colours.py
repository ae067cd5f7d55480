"""Colours of 16 bits in png files.

Pillow reads the upper 8 of them. Read a second time as if the bytes stood the other way round, it reads the lower 8.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Planes = NDArray[np.float32]
_WHITE = 65535.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601-2, as Pillow converts colours to grey


_UPPER = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}  # how Pillow reads the upper bytes -> the lower ones


def has_wide_channels(image: Image.Image) -> bool:
    """Return whether the file has several channels of 16 bits, and Pillow would give 8 of each. Nothing is decoded yet."""
    return image.mode in ("RGB", "RGBA", "LA") and any(";16" in raw for raw in _raw_modes(image))


def is_deep(image: Image.Image) -> bool:
    """Return whether all 16 bits of its channels can be read. Nothing is decoded yet."""
    raw = _raw_modes(image)
    return image.format == "PNG" and len(raw) == 1 and raw[0] in _UPPER


def _raw_modes(image: Image.Image) -> list[str]:
    """Return how the parts of the file are coded, such as RGB;16B."""
    return [str(tile[3]) for tile in getattr(image, "tile", ()) if len(tile) > 3]


def planes_of(path: Path, image: Image.Image, channels: int | None, white: float) -> Planes:
    """Return (C, H, W) upright, transparent places `white`; grey or colour as `channels` says, None: as they are."""
    upper, lower = _bytes(path, lower=False), _bytes(path, lower=True)
    values = (256 * upper.astype(np.float32) + lower).transpose(2, 0, 1)
    if len(values) == 4:
        alpha = values[-1:] / _WHITE
        values = values[:-1] * alpha + white * (1 - alpha)
    if channels == 1 and len(values) == 3:
        values = np.tensordot(_LUMA, values, 1)[None].round()
    return np.stack([_upright(plane, image) for plane in values])


def _bytes(path: Path, lower: bool) -> NDArray[np.uint8]:
    """Return the upper or the lower bytes (H, W, C) of all pixels."""
    with Image.open(path, formats=["PNG"]) as image:
        if lower:
            codec, extents, offset, raw = image.tile[0][:4]
            image.tile = [type(image.tile[0])(codec, extents, offset, _UPPER[str(raw)])]
        return np.asarray(image)


def _upright(plane: Planes, image: Image.Image) -> Planes:
    """Return a plane turned as EXIF says of its image."""
    turned = Image.fromarray(plane)
    turned.getexif()[274] = image.getexif().get(274, 1)
    return np.asarray(ImageOps.exif_transpose(turned))
