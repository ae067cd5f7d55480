"""Samples as pictures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_GAP, _WIDE = 1, 4
_RED, _SMALL = (230, 30, 20), 96  # of errors; pixels up to which small images are enlarged


def image(cell: NDArray[Any], about: Mapping[str, Any]) -> Image.Image:
    """Return a sample (C, H, W) as a picture, over the range `low` to `high` of its own units, or over its own range."""
    return Image.fromarray(_bytes(cell, about))


def grid(cells: NDArray[Any], about: Mapping[str, Any], across: int | None = None) -> Image.Image:
    """Return samples (n, C, H, W) side by side, or (n, k, C, H, W) in n rows of k, with one pixel of white between them."""
    if cells.ndim == 5:
        across, cells = cells.shape[1], cells.reshape(-1, *cells.shape[2:])
    if len(cells) == 1:
        return image(cells[0], about)
    across = across or math.ceil(math.sqrt(len(cells)))
    pixels = np.stack([_bytes(c, about) for c in cells]) if about.get("high") is not None else _bytes_of_all(cells, about)
    height, width = pixels.shape[1:3]
    down = -(-len(pixels) // across)
    shape = (down * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, *pixels.shape[3:])
    page = np.full(shape, 255, np.uint8)
    for i, cell in enumerate(pixels):
        top, left = i // across * (height + _GAP), i % across * (width + _GAP)
        page[top : top + height, left : left + width] = cell
    return Image.fromarray(page)


def overlay(cell: NDArray[Any], error: NDArray[Any], most: float, about: Mapping[str, Any]) -> Image.Image:
    """Return a sample (C, H, W) in grey under red that is the stronger, the larger the error (C, H, W) is; `most` is all red.

    Opacity is the square root of the squared error, summed over channels, over that of the largest. Small images are enlarged.
    """
    low = float(cell.min()) if about.get("low") is None else float(about["low"])
    high = float(cell.max()) if about.get("high") is None else float(about["high"])
    grey = ((cell.astype(np.float64).mean(0) - low) / max(high - low, 1e-12)).clip(0, 1)[..., None] * 255
    opacity = np.sqrt((error.astype(np.float64).sum(0) / max(most, 1e-300)).clip(0, 1))[..., None]
    pixels = (grey * (1 - opacity) + np.array(_RED) * opacity).round().astype(np.uint8)
    times = max(1, _SMALL // max(pixels.shape[:2]))
    return Image.fromarray(pixels.repeat(times, 0).repeat(times, 1))


def tiled(pictures: Sequence[Image.Image]) -> Image.Image:
    """Return pictures of one size side by side, with a line of white between them."""
    across = math.ceil(math.sqrt(len(pictures)))
    width, height = pictures[0].size
    page = Image.new("RGB", (across * (width + _WIDE) - _WIDE, -(-len(pictures) // across) * (height + _WIDE) - _WIDE), "white")
    for i, picture in enumerate(pictures):
        page.paste(picture, (i % across * (width + _WIDE), i // across * (height + _WIDE)))
    return page


def _bytes_of_all(cells: NDArray[Any], about: Mapping[str, Any]) -> NDArray[np.uint8]:
    low = float(cells.min()) if about.get("low") is None else float(about["low"])
    high = float(cells.max())
    return np.stack([_bytes(c, {**about, "low": low, "high": max(high, low + 1e-12)}) for c in cells])


def _bytes(cell: NDArray[Any], about: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Map values (C, H, W) to bytes (H, W) or (H, W, 3)."""
    low = float(cell.min()) if about.get("low") is None else float(about["low"])
    high = float(cell.max()) if about.get("high") is None else float(about["high"])
    scaled = ((cell.astype(np.float64) - low) / max(high - low, 1e-12)).clip(0, 1) * 255
    pixels: NDArray[np.uint8] = scaled.round().astype(np.uint8)
    return pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels.mean(0).round().astype(np.uint8)
