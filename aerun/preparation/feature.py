"""What is known of one column of a table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Feature:
    """One column of a table, as the training rows show it.

    kind: number, date (stored as seconds since `origin`, itself in seconds since 1970 UTC) or category (stored as the place
    in `words`, -1 for any other word). missing: training rows lack a value, so that a mark says where. NaN is stored for
    what is missing. days: all its training dates are whole days. step: all training numbers are multiples of it; 0: of none.
    low, high: the range of training numbers and dates, as they are stored; equal where nothing is known of it. Older runs know
    none of these three, which make no other column of it. other: the last word stands for all that are not among the others.
    hash: the words are so many groups, in which the word of a cell falls by its hash.
    """

    name: str
    kind: str
    words: tuple[str, ...] = ()
    origin: float = 0.0
    missing: bool = False
    days: bool = False
    step: float = field(default=0.0, compare=False)
    low: float = field(default=0.0, compare=False)
    high: float = field(default=0.0, compare=False)
    other: bool = False
    hash: int = 0


def feature(*, words: Sequence[str] = (), **other: Any) -> Feature:
    """Return a feature from plain data, in which tuples have become lists."""
    return Feature(words=tuple(words), **other)


def as_bytes(features: Sequence[Feature]) -> Tensor:
    """Return features as JSON in bytes (uint8), as checkpoints hold them."""
    return torch.tensor(list(json.dumps([asdict(f) for f in features]).encode()), dtype=torch.uint8)


def features_of(state: Tensor) -> tuple[Feature, ...]:
    """Return the features that `as_bytes` wrote."""
    return tuple(feature(**f) for f in json.loads(bytes(state.cpu().tolist())))


def places(features: Sequence[Feature]) -> tuple[list[int], list[int], list[int]]:
    """Return the places of numbers and dates; and, one entry a word of a category, the place of its column and the word's."""
    numeric = [i for i, f in enumerate(features) if f.kind != "category"]
    hot = [(i, k) for i, f in enumerate(features) for k in range(len(f.words))]
    return numeric, [i for i, _ in hot], [k for _, k in hot]
