"""What is known of one column of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Feature:
    """One column of a table, as the training rows show it.

    kind: number, date (stored as seconds since `origin`, itself in seconds since 1970 UTC) or category (stored as the place
    in `words`, -1 for any other word). missing: training rows lack a value, so that a mark says where. NaN is stored for
    what is missing. days: all its training dates are whole days.
    """

    name: str
    kind: str
    words: tuple[str, ...] = ()
    origin: float = 0.0
    missing: bool = False
    days: bool = False


def feature(*, words: Sequence[str] = (), **other: Any) -> Feature:
    """Return a feature from plain data, in which tuples have become lists."""
    return Feature(words=tuple(words), **other)
