"""Masks in files, beside the samples that they belong to."""

from pathlib import Path
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats import images
from aerun.formats.arrays import is_array, names_of, read_array
from aerun.inference.samples import SampleConverter


class Masks:
    """Truth values, one mask for all samples or one for each; none where no file is given."""

    def __init__(self, file: str | None, form: SampleConverter) -> None:
        self.array: Any = None if file is None else _read(Path(file), form.facts.stored)
        self.each = self.array is not None and self.array.ndim > len(form.facts.stored) and len(self.array) > 1
        self.at, self.file = 0, file

    def next(self, n: int) -> Any:
        """Return the masks of the next n samples."""
        if not self.each:
            return self.array
        masks = self.array[self.at : self.at + n]
        self.at += n
        if len(masks) < n:
            raise AerunError(f"--mask {self.file}: holds {len(self.array)} masks, fewer than there are samples.")
        return masks


def _read(path: Path, stored: tuple[int, ...]) -> Any:
    if is_array(path):
        names = names_of(path)
        return read_array("--mask", path, "mask" if "mask" in names else None) != 0
    try:
        shape = images.Shape(1, stored[-2], stored[-1], resize=False, crop=False, guessed=False)
        return np.broadcast_to(images.read(path, shape) > 127, stored)
    except (images.UnreadableError, IndexError, OSError) as e:
        raise AerunError(f"--mask {path}: cannot be read: {e}.") from e
