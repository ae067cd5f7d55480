"""Samples as pictures."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_GAP = 1


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
