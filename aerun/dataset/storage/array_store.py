"""Where the samples of an array are: in memory where they fit, else in a file of their own, in the order of the splits."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aerun.core.cache import cache_folder, refuse_full
from aerun.core.errors import AerunError
from aerun.core.files import replaced
from aerun.core.memory import available_memory
from aerun.dataset.storage import array_samples as samples
from aerun.dataset.storage.mapped import mapped
from aerun.formats.arrays import Array, forget
from aerun.formats.copied import identity

_CHUNK = 4_000_000  # bytes of samples copied in one piece

log = logging.getLogger("aerun")


def store(
    arrays: Sequence[Array], paths: Sequence[Path], parts: Sequence[Tensor], memory: float | None, cache: str | None
) -> list[Tensor]:
    """Return the samples of the numbered rows, one tensor for each part.

    They are in memory where all take at most `memory` GB (None: half of what is free), else read from disk as they are needed.
    Raises AerunError where the disk is full.
    """
    limit = available_memory() // 2 if memory is None else int(memory * 1e9)
    dtype, shape = samples.dtype_of(arrays[0]), arrays[0].shape[1:]
    each = int(np.prod(shape)) * dtype.itemsize
    size = each * sum(map(len, parts))
    if size <= limit:
        return [samples.gathered(arrays, rows) for rows in parts]
    path = cache_folder(cache) / f"{paths[0].stem}-{_key(paths, parts)}.samples"
    words = "%s: %d samples take %.2g GB and dataset.memory allows %.2g: they are read from %s as they are needed."
    log.warning(words, paths[0], size // each, size / 1e9, limit / 1e9, path)
    if not path.is_file() or path.stat().st_size != size:
        _write(path, sum(map(len, arrays)), partial(_pieces, arrays, each), parts, each)
    return mapped(path, shape, tuple(map(len, parts)), dtype)


def store_rows(
    name: str,
    about: object,
    total: int,
    blocks: Callable[[], Iterator[Any]],
    parts: Sequence[Tensor],
    cache: str | None,
    dtype: torch.dtype = torch.float32,
) -> list[Tensor]:
    """Return the numbered rows of a table, one mapped tensor for each part, once they are in a file in `cache`.

    blocks: all `total` rows (rows, columns) as numbers of `dtype`, from the first to the last. about: changes whenever the rows
    do.
    """
    width = next(blocks()).shape[1]
    each = dtype.itemsize * width
    path = cache_folder(cache) / f"{name}-{_digest(about, parts)}.samples"
    if not path.is_file() or path.stat().st_size != each * sum(map(len, parts)):
        _write(path, total, blocks, parts, each)
    return mapped(path, (width,), tuple(map(len, parts)), dtype)


def _key(paths: Sequence[Path], parts: Sequence[Tensor]) -> str:
    """Return a key that changes with the files and with the rows taken from them."""
    return _digest([identity(p) for p in paths], parts)


def _digest(about: object, parts: Sequence[Tensor]) -> str:
    digest = hashlib.sha256(repr(about).encode())
    for rows in parts:
        digest.update(np.ascontiguousarray(rows.numpy()).data)
        digest.update(b"|")
    return digest.hexdigest()[:16]


def _pieces(arrays: Sequence[Array], each: int) -> Iterator[Any]:
    """Yield all samples from front to back, in pieces.

    The system maps up to megabytes around a row of a mapped file, so that rows in random order would bring all of it into
    memory.
    """
    for array in arrays:
        for some in torch.arange(len(array)).split(max(1, _CHUNK // each)):
            yield samples.tensor(array, some).numpy()
            forget(array)


def _scatter(file: int, blocks: Iterator[Any], total: int, parts: Sequence[Tensor], each: int) -> None:
    """Write the numbered rows of `total`, `each` bytes long, one behind the other, as the blocks of all rows come."""
    place = np.full(total, -1, dtype=np.int32 if total < 1 << 31 else np.int64)
    start = 0
    for rows in parts:
        place[rows.numpy()] = np.arange(start, start + len(rows), dtype=place.dtype)
        start += len(rows)
    start = 0
    for block in blocks:
        bytes_of = memoryview(block).cast("B")
        for i, at in enumerate(place[start : start + len(block)].tolist()):
            if at >= 0:
                os.pwrite(file, bytes_of[i * each : (i + 1) * each], at * each)
        start += len(block)


def _write(path: Path, total: int, blocks: Callable[[], Iterator[Any]], parts: Sequence[Tensor], each: int) -> None:
    try:
        size = each * sum(map(len, parts))
        refuse_full(path.parent, size, "samples", "Name another place with dataset.cache=DIR, or raise dataset.memory.")
        with replaced(path) as file:
            file.truncate(size)
            _scatter(file.fileno(), blocks(), total, parts, each)
    except OSError as e:
        raise AerunError(f"cannot keep samples in {path.parent} (dataset.cache): {e.strerror or e}.") from e
