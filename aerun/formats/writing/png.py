"""Images as png: all in one picture, or each in a file of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.pictures import grid, image
from aerun.formats.writing.base import Array, FileWriter, Writer

_CELLS = 4096


class Sheet(FileWriter):
    """One png with all images side by side: rows and columns of them where they are (n, k, C, H, W)."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        super().__init__(file, about)
        self.cells: list[Array] = []

    def add(self, arrays: Mapping[str, Array]) -> None:
        cells, self.about = _images(arrays, self.about)
        self.cells.append(cells)
        if sum(c.shape[0] * (c.shape[1] if c.ndim == 5 else 1) for c in self.cells) > _CELLS:
            raise AerunError(f"a png of more than {_CELLS} images: use a folder (--output DIR/), npz or npy.")

    def close(self) -> None:
        grid(np.concatenate(self.cells), self.about).save(self.file, "PNG")


class Pngs(Writer):
    """A folder of png files, by number."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        super().__init__(about)
        self.folder, self.count = folder, 0

    def add(self, arrays: Mapping[str, Array]) -> None:
        images, self.about = _images(arrays, self.about)
        for cells in images:
            picture = grid(cells, self.about, across=len(cells)) if cells.ndim == 4 else image(cells, self.about)
            picture.save(self.folder / f"{self.count:06d}.png", "PNG")
            self.count += 1

    def close(self) -> None:
        """Do nothing: all files are closed."""


def _images(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> tuple[Array, Mapping[str, Any]]:
    """Return the images, and what is known of them.

    Errors become grey images of the mean over channels, from 0 to the largest among them.
    """
    name = next((n for n in arrays if n in ("errors", "x")), None)
    if name is None or about.get("kind") != "image":
        raise AerunError("png holds images, and these are none: use csv, npz, npy or parquet.")
    if name == "errors":
        return arrays[name].mean(1, keepdims=True), {**about, "low": 0.0, "high": None}
    return arrays[name], about
