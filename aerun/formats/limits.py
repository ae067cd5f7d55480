"""What tables take in memory, and how much they may take."""

from dataclasses import dataclass
from pathlib import Path

from aerun.core.cache import cache_folder
from aerun.core.memory import available_memory

WORD = 200  # bytes that one more different word of a column takes, with its place among the others
SAMPLE = 4  # of a cell as a sample
KEPT = 8  # of a cell as a 64-bit number
HELD = 8  # of a cell in the container of another library


@dataclass(frozen=True)
class Limits:
    """memory: bytes that a table may take; beyond, its columns of numbers and dates are in a file in `folder`."""

    memory: float
    folder: Path


def limits(memory: float | None, cache: str | None) -> Limits:
    """Return how much a table may take: `memory` GB, None for half of what is free; and where the rest goes."""
    return Limits(available_memory() // 2 if memory is None else memory * 1e9, cache_folder(cache))


def typed_size(rows: int, columns: int) -> float:
    """Return about how many bytes a table takes that another library reads as a whole: there, here and as samples."""
    return float(HELD + KEPT + SAMPLE) * rows * columns
