"""Rows of a store of activations in the order of its files, and the words of another file that they stand for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aerun.build import dataset_of
from aerun.core.errors import AerunError
from aerun.core.text import shown
from aerun.formats.text_lines import lines_of
from aerun.inference.exhibits import Exhibit

_BEFORE, _BEHIND = 8, 4  # words of a context that are shown around one


def is_store(config: Mapping[str, Any]) -> bool:
    """Return whether a run was trained on a store of activations."""
    return "drop_positions" in (config.get("dataset") or {})


@dataclass(frozen=True)
class StoreRows:
    """Rows x (n, D) of a store. contexts, positions (n,): where each is.

    names, starts: of its shards, and the context that each begins with; length: rows of a context.
    lines: the words of contexts from number `first` on, where a file tells them.
    """

    x: NDArray[np.float32]
    contexts: NDArray[np.int64]
    positions: NDArray[np.int64]
    names: Sequence[str]
    starts: NDArray[np.int64]
    length: int
    lines: Sequence[Sequence[str]]
    first: int

    def exhibit(self, row: int) -> Exhibit:
        """Return what is shown of a row: its shard, its number there, and the words around its own."""
        context, position = int(self.contexts[row]), int(self.positions[row])
        shard = int(np.searchsorted(self.starts, context, side="right")) - 1
        number = context - int(self.starts[shard])
        place = f"context {number}, position {position}" if self.length > 1 else f"row {number}"
        return {"where": shown(f"{self.names[shard]}, {place}"), **self._words(context, position)}

    def _words(self, context: int, position: int) -> Exhibit:
        if not self.lines:
            return {}
        words = self.lines[context - self.first]
        if self.length == 1:
            return {"words": shown(" ".join(words)[:300])}
        begin = max(0, position - _BEFORE)
        return {"words": [shown(w[:60]) for w in words[begin : position + _BEHIND + 1]], "marked": position - begin}


def store_rows(config: Mapping[str, Any], files: Sequence[str], rows: int, words: str | None) -> Iterator[StoreRows]:
    """Yield rows of a store's files, about `rows` of whole contexts at a time, without the positions that training dropped.

    words: a file of text with a line for each context of these files, in order: a word for each position; None: none.
    """
    own = config["dataset"]
    asked = {k: None for k in ("target", "target_key") if k in own}
    dataset = dataset_of({**config, "dataset": {**own, **asked, "path": list(files)}})
    assert dataset.contexts is not None
    shards, length, kept = dataset.contexts
    counts = [a.shape[0] // (length if len(a.shape) == 2 else 1) for a in shards.arrays]
    starts, total = np.cumsum([0, *counts[:-1]]), sum(counts)
    lines = None if words is None else _lines(words, length)
    each = max(1, rows // length)
    for first in range(0, total, each):
        contexts = torch.arange(first, min(first + each, total))
        x = shards.read((contexts[:, None] * length + kept).flatten()).float().numpy()
        own_lines = [] if lines is None else _next(lines, len(contexts), str(words), first, total)
        places = np.tile(kept.numpy(), len(contexts))
        names = [a.path.name for a in shards.arrays]
        yield StoreRows(x, np.repeat(contexts.numpy(), len(kept)), places, names, starts, length, own_lines, first)
    if lines is not None and next(lines, None) is not None:
        raise AerunError(f"--words {words}: holds more than a line for each of the {total:,} contexts of these files.")


def _lines(path: str, length: int) -> Iterator[list[str]]:
    for number, line in enumerate(lines_of(_existing(path), "utf-8"), 1):
        words = line.split()
        if length > 1 and len(words) != length:
            raise AerunError(f"--words {path}, line {number}: holds {len(words)} words; contexts have {length} positions.")
        yield words


def _existing(path: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise AerunError(f"--words {path}: there is no such file.")
    return file


def _next(lines: Iterator[list[str]], count: int, path: str, first: int, total: int) -> list[list[str]]:
    """Return the next lines. AerunError where the file ends before."""
    taken = [line for _, line in zip(range(count), lines, strict=False)]
    if len(taken) < count:
        raise AerunError(f"--words {path}: ends at line {first + len(taken):,}; these files hold {total:,} contexts.")
    return taken
