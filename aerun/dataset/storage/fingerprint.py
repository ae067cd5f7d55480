"""What a run's data were, short enough to fit into run.json: rows, columns and a hash of what was read.

The rule: each split is hashed by itself (BLAKE2b, 64 bit): the shape and the type of its numbers, its stored samples and its
labels, all before any preparation. Up to 64 MB, every byte counts; beyond, as many rows as take 64 MB, spread evenly from the
first row to the last. So the data are the same where the same samples are in the same splits, wherever the file lies and
whatever it is called.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from aerun.dataset.splits import Data, Split

LISTED = 100  # files that are listed by name at most
_BYTES = 64_000_000  # bytes of a split that are hashed at most
_PIECE = 4_000_000  # bytes that are read in one piece


def fingerprint(data: Data) -> dict[str, Any]:
    """Return the rows of each split, the elements of a stored sample, and the hash of each split, ready for run.json."""
    return data.kept("fingerprint", lambda: _fingerprint(data)).copy()


def _fingerprint(data: Data) -> dict[str, Any]:
    parts = [(name, getattr(data, name)) for name in (field.name for field in fields(data))]
    return {
        "rows": {name: len(part) for name, part in parts},
        "columns": math.prod(data.train.x.shape[1:]),
        "hash": {name: _hash(part) for name, part in parts},
    }


def listed(files: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Return how many files and bytes, and the first of them by name and size, ready for run.json; nothing of one file."""
    if len(files) < 2:
        return {}
    first = [{"name": name, "bytes": size} for name, size in files[:LISTED]]
    return {"files": {"count": len(files), "bytes": sum(size for _, size in files), "first": first}}


def _hash(split: Split) -> str:
    """Return the hash of a split as 16 hexadecimal digits."""
    digest = blake2b(digest_size=8)
    for values in (split.x, split.y, *(() if split.w is None else (split.w,))):
        if values is None:
            digest.update(b"no labels")
            continue
        digest.update(f"{values.dtype} {tuple(values.shape)} ".encode())
        for piece in _pieces(values):
            digest.update(piece.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _pieces(values: Tensor) -> Iterator[Tensor]:
    """Yield all rows, or as many as take `_BYTES`, piece by piece."""
    n, row = len(values), max(1, math.prod(values.shape[1:]) * values.element_size())
    some, step = max(1, _BYTES // row), max(1, _PIECE // row)
    if n <= some:
        return (values[first : first + step] for first in range(0, n, step))
    chosen = torch.linspace(0, n - 1, some, dtype=torch.float64).round().long()
    return (values.index_select(0, part) for part in chosen.split(step))
