"""Columns that no model reads and that travel from a file into what verbs write: ids, labels, groups, times, splits, others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aerun.core.streams import is_stdout
from aerun.core.text import note
from aerun.dataset.sequences.sampling import Opened
from aerun.dataset.sequences.windows import Windows
from aerun.dataset.tables.names import names_in
from aerun.dataset.tables.query import Query, is_query
from aerun.formats.frame import Words
from aerun.formats.writing.base import flattened
from aerun.formats.writing.output import TABLES

_ROLES = ("id", "group", "time", "label", "anomaly", "weights", "split")


def columns_beside(settings: Mapping[str, Any]) -> list[str]:
    """Return the columns that the settings of a data set of columns name for something else than a feature, ask, or drop."""
    if not {"delimiter", "label", "drop"} <= set(settings):
        return []
    named = [str(settings[role]) for role in _ROLES if settings.get(role) is not None]
    normal = settings.get("normal")
    asked = sorted(Query(normal).columns) if isinstance(normal, str) and is_query(normal) else []
    told = settings.get("condition")
    told = [str(n) for n in told] if isinstance(told, list) else []
    return list(dict.fromkeys([*named, *asked, *told, *names_in("dataset.drop", settings.get("drop") or [])]))


def beside_pairs(first: Sequence[Mapping[str, Words]], last: Sequence[Mapping[str, Words]]) -> dict[str, Words]:
    """Return the columns of pairs of samples, of the pieces of either file: NAME_first and NAME_last."""
    columns: dict[str, Words] = {}
    for end, pieces in (("first", first), ("last", last)):
        for name in pieces[0] if pieces else ():
            columns[f"{name}_{end}"] = np.concatenate([piece[name] for piece in pieces])
    return columns


def beside_windows(opened: Opened, cut: Windows, group: str | None, names: Sequence[str]) -> dict[str, Words]:
    """Return the columns `names` of each window, (n,).

    What is the same all along a series stands as it is: its group, and every column where a row of the file is a whole series.
    All others are those of its first step, as NAME_first, and of its last, as NAME_last.
    """
    columns: dict[str, Words] = {}
    first, last = (opened.row[at] for at in (cut.first, cut.first + cut.count - 1))
    for name in names:
        words = opened.recording.frame.written(name)
        if words is None:
            continue
        if name == group or opened.recording.whole:
            columns[name] = words[first]
        else:
            columns |= {f"{name}_first": words[first], f"{name}_last": words[last]}
    return columns


class Travelling:
    """Puts the columns that travel before the answers to each piece: those that the first piece has, empty where others do not.

    A column whose name an answer has too is written as file_NAME. An output that holds no words goes without, which is told.
    """

    def __init__(self, output: str) -> None:
        self.output = output
        self._names: list[str] | None = None

    def join(self, beside: Mapping[str, Words], arrays: Mapping[str, Any], count: int) -> dict[str, Any]:
        """Return the columns of a piece of `count` rows and its arrays."""
        if self._names is None:
            self._names = list(beside) if self._holds(beside) else []
            self._taken = set(flattened({k: v[:1] for k, v in arrays.items()}))
            if twice := [n for n in self._names if n in self._taken]:
                note(f"{', '.join(twice)}: also a column of the answer; that of the file is written as file_{twice[0]}.")
        empty = np.full(count, "", dtype=np.str_)
        columns = {f"file_{n}" if n in self._taken else n: beside.get(n, empty) for n in self._names}
        return {**columns, **arrays}

    def _holds(self, beside: Mapping[str, Words]) -> bool:
        if not beside or is_stdout(self.output) or self.output.endswith((*TABLES, ".html")):
            return True
        if self.output.endswith((".png", "/")):
            return False  # a picture has no rows that a column could stand beside
        note(
            f"{self.output}: holds no words, so that {', '.join(beside)} of the file stay behind (csv, xlsx, parquet, npz hold "
            "them)."
        )
        return False
