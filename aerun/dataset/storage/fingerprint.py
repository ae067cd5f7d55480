"""What a run's data were, so short that it fits into run.json: rows, columns and a hash of what was read.

The rule: each split is hashed by itself (BLAKE2b, 64 bit): the shape and the kind of its numbers, its stored samples, its
labels, all before any preparation. Of up to 64 MB every byte counts; of more, as many rows as take 64 MB, spread evenly from
the first row to the last. So the data are the same where the same samples are in the same splits, wherever the file lies and
whatever it is called.
"""

import math
from collections.abc import Iterator
from dataclasses import fields
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from aerun.dataset.splits import Data, Split

_BYTES = 64_000_000  # of a split that are hashed at most
_PIECE = 4_000_000  # bytes that are read in one piece


def fingerprint(data: Data) -> dict[str, Any]:
    """Return rows of each split, elements of a stored sample, and the hash of each split: plain data, ready for run.json."""
    parts = [(name, getattr(data, name)) for name in (field.name for field in fields(data))]
    return {
        "rows": {name: len(part) for name, part in parts},
        "columns": math.prod(data.train.x.shape[1:]),
        "hash": {name: _hash(part) for name, part in parts},
    }


def _hash(split: Split) -> str:
    """Return 16 hexadecimal digits."""
    told = blake2b(digest_size=8)
    for values in (split.x, split.y):
        if values is None:
            told.update(b"no labels")
            continue
        told.update(f"{values.dtype} {tuple(values.shape)} ".encode())
        for piece in _pieces(values):
            told.update(piece.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return told.hexdigest()


def _pieces(values: Tensor) -> Iterator[Tensor]:
    """Yield all rows, or as many as take `_BYTES`, piece by piece."""
    n, row = len(values), max(1, math.prod(values.shape[1:]) * values.element_size())
    some, step = max(1, _BYTES // row), max(1, _PIECE // row)
    if n <= some:
        return (values[first : first + step] for first in range(0, n, step))
    chosen = torch.linspace(0, n - 1, some, dtype=torch.float64).round().long()
    return (values.index_select(0, part) for part in chosen.split(step))
