"""Arrays that come in pieces: held in memory where they fit, else written once into the cache and mapped from there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.cache import cache_folder, refuse_full
from aerun.core.errors import AerunError
from aerun.core.files import replaced
from aerun.core.memory import available_memory, trim_heap
from aerun.formats.limits import Limits

Array = NDArray[Any]
_PIECE = 4_000_000  # bytes of a piece, about: libraries read in threads, each of which keeps what its share of one took
_TOGETHER = 64_000_000  # bytes that are stored as one and are then read as one, at most


@dataclass(frozen=True)
class Pieces:
    """An array of this shape and type, of which `read(first, last)` gives the rows from `first` on, before `last`.

    where: how messages name it. about: changes whenever its content does. together: rows that are stored as one, such as a
    chunk's, so that a part of them costs as much as all.
    """

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int, int], Array]
    about: object
    together: int = 1

    @property
    def size(self) -> int:
        """Return the bytes that it takes."""
        return int(np.prod(self.shape, dtype=np.float64)) * self.dtype.itemsize

    @property
    def sampled(self) -> int:
        """Return the bytes that it takes as samples: bytes and truth values stay bytes, all else has 32 bits."""
        return int(np.prod(self.shape, dtype=np.float64)) * (1 if self.dtype in (np.uint8, np.bool_) else 4)

    def __iter__(self) -> Iterator[Array]:
        each = max(1, self.size // max(1, self.shape[0]))
        one = max(1, min(self.together, _TOGETHER // each))
        rows = max(one, _PIECE // each // one * one)
        for first in range(0, self.shape[0], rows):
            yield np.asarray(self.read(first, min(first + rows, self.shape[0])), dtype=self.dtype)


def gathered(pieces: Pieces, bounds: Limits | None = None) -> Array:
    """Return the array: in memory where that takes at most half of what is free, else mapped.

    bounds: how much the array and the samples made of it may take together, and where it is kept else.
    """
    fits = pieces.size <= available_memory() // 2 if bounds is None else pieces.size + pieces.sampled <= bounds.memory
    if fits:
        whole, at = np.empty(pieces.shape, pieces.dtype), 0
        for part in pieces:
            whole[at : at + len(part)] = part
            at += len(part)
        return whole
    folder = None if bounds is None else bounds.folder
    path = kept(f"{blake2b(repr(pieces.about).encode(), digest_size=10).hexdigest()}.npy", pieces, folder)
    mapped: Array = np.lib.format.open_memmap(path, mode="c")
    return mapped


def kept(name: str, pieces: Pieces, folder: Path | None) -> Path:
    """Return the file of the cache that holds the array, once it is there. AerunError where the disk is full.

    folder: the cache; None: the one that AERUN_CACHE names.
    """
    path = (folder or cache_folder()) / "arrays" / name
    how = "AERUN_CACHE" if folder is None else "dataset.cache"
    if path.is_file():
        return path
    refuse_full(path.parent, pieces.size, f"{pieces.where}: its values", f"Name another place with {how}=DIR.")
    try:
        with replaced(path) as file:
            np.lib.format.write_array_header_2_0(
                file, {"descr": np.lib.format.dtype_to_descr(pieces.dtype), "fortran_order": False, "shape": pieces.shape}
            )
            for part in pieces:
                file.write(np.ascontiguousarray(part).data)
    except OSError as e:
        raise AerunError(f"cannot keep the values of {pieces.where} in {path.parent} ({how}): {e.strerror or e}.") from e
    trim_heap()  # libraries read pieces in threads, whose freed memory would stay with the process
    return path


def identity(path: Path, *more: object) -> tuple[object, ...]:
    """Return what changes with a file or folder, and with what else says which array is meant."""
    state = path.stat()
    return str(path.resolve()), state.st_size, state.st_mtime_ns, *more
