"""Images as png: all in one picture, or each in a file of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from aerun.core.errors import AerunError
from aerun.formats.pictures import grid, image, overlay, tiled
from aerun.formats.writing.base import Array, FileWriter, Writer

_CELLS = 4096


class Sheet(FileWriter):
    """One png with all images side by side: rows and columns of them where they are (n, k, C, H, W)."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        self.cells: list[Array] = []
        self.errors: list[Array] = []

    def add(self, arrays: Mapping[str, Array]) -> None:
        self.cells.append(_images(arrays, self.about))
        self.errors += [arrays["errors"]] if "errors" in arrays else []
        if sum(c.shape[0] * (c.shape[1] if c.ndim == 5 else 1) for c in self.cells) > _CELLS:
            raise AerunError(f"a png of more than {_CELLS} images: use a folder (--output DIR/), npz or npy.")

    def close(self) -> None:
        cells = np.concatenate(self.cells)
        errors = np.concatenate(self.errors) if self.errors else None
        page = grid(cells, self.about) if errors is None else tiled(overlays(cells, errors, self.about))
        page.save(self.file, "PNG")


class Pngs(Writer):
    """A folder of png files, by number."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        super().__init__(about)
        self.folder, self.count = folder, 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        images = _images(arrays, self.about)
        errors = arrays.get("errors")
        for i, cells in enumerate(images):
            if errors is not None:
                picture = overlays(cells[None], errors[i : i + 1], self.about)[0]
            else:
                picture = grid(cells, self.about, across=len(cells)) if cells.ndim == 4 else image(cells, self.about)
            picture.save(self.folder / f"{self.count:06d}.png", "PNG")
            self.count += 1

    def close(self) -> None:
        """Do nothing: all files are closed."""


def overlays(cells: Array, errors: Array, about: Mapping[str, Any]) -> list[Image.Image]:
    """Return images (n, C, H, W) under their errors, all on the scale of the largest error among them."""
    most = float(errors.sum(1).max())
    return [overlay(cell, error, most, about) for cell, error in zip(cells, errors, strict=True)]


def _images(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Array:
    """Return the images of an answer: samples, or those that errors are shown on."""
    name = next((n for n in arrays if n in ("under", "x")), None)
    if name is None or about.get("kind") != "image":
        raise AerunError("png holds images, and these are none: use csv, npz, npy or parquet.")
    return arrays[name]
