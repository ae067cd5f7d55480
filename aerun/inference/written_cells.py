"""Rows of a file with gaps filled in: what was there stays as it is written, and what is filled in is written alike."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.text import note
from aerun.formats.frame import Words
from aerun.inference.columns import Rows
from aerun.preparation.feature import Feature

_PLAIN, _COMMA = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"), re.compile(r"[-+]?(\d+,?\d*|,\d+)([eE][-+]?\d+)?")
_PERCENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)%")
_DATES = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
)


class WrittenRows(Rows):
    """Rows that keep the cells of their file: words (n,) by name, of all columns that are read or travel, in its order.

    numbers: the values of columns of numbers, in 64 bits.
    """

    words: Mapping[str, Words]
    numbers: Mapping[str, NDArray[np.float64]]

    def with_cells(self, words: Mapping[str, Words], numbers: Mapping[str, NDArray[np.float64]]) -> "WrittenRows":
        """Return these rows with the cells of their file."""
        self.words, self.numbers = words, numbers
        return self


class Rewriter:
    """Writes rows back with their gaps filled in. as_text: into a file of text, where cells are words.

    A column whose cells are written in a way that filled ones could not follow (EUR 12, 31 Dec 24) is written anew, which is
    said once.
    """

    def __init__(self, as_text: bool) -> None:
        self.as_text = as_text
        self._anew: set[str] = set()

    def columns(self, rows: WrittenRows, filled: Mapping[str, Any], hidden: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """Return all columns of some rows, of which `filled` holds the features; hidden (n, features): their gaps."""
        features = {f.name: (i, f) for i, f in enumerate(rows.features)}
        whole: dict[str, NDArray[Any]] = dict(rows.words)
        for name, (i, feature) in features.items():
            whole[name] = self._column(feature, rows, np.asarray(filled[name]), hidden[:, i])
        return whole

    def _column(self, feature: Feature, rows: WrittenRows, new: NDArray[Any], gone: NDArray[np.bool_]) -> NDArray[Any]:
        name, words = feature.name, rows.words.get(feature.name)
        if feature.kind == "number" and (not self.as_text or words is None):
            own = rows.numbers.get(name)
            return new.astype(np.float64) if own is None else np.where(gone, new.astype(np.float64), own)
        if words is None:
            return new
        spelt = _spelt(feature, words, new, gone) if name not in self._anew else None
        if spelt is None:
            self._tell(name)
            if feature.kind != "number":
                return new
            own = rows.numbers[name]
            return np.array([f"{a:.6g}" if g else f"{b:.15g}" for a, b, g in zip(new, own, gone, strict=True)])
        return np.where(gone, spelt, words)

    def _tell(self, name: str) -> None:
        if name not in self._anew:
            self._anew.add(name)
            note(f"column {name}: is written anew, as its cells are not written so that filled ones could stand beside them.")


def _spelt(feature: Feature, words: Words, new: NDArray[Any], gone: NDArray[np.bool_]) -> NDArray[Any] | None:
    """Return new cells as the others are written; None where they are written in another way than is known here."""
    if feature.kind == "category":
        return new
    if feature.kind == "date":
        return _dated(words, new, gone)
    own, values = words[~gone], new.astype(np.float64)
    if all(_PLAIN.fullmatch(w) for w in own):
        return _numbers(values)
    if all(_PERCENT.fullmatch(w) for w in own):
        return np.char.add(_numbers(100 * values), "%")
    return np.char.replace(_numbers(values), ".", ",") if all(_COMMA.fullmatch(w) for w in own) else None


def _numbers(values: NDArray[np.float64]) -> NDArray[np.str_]:
    return np.array([f"{v:.6g}" for v in values])


def _dated(words: Words, new: NDArray[Any], gone: NDArray[np.bool_]) -> NDArray[Any] | None:
    """Return new dates (ISO 8601) in the first format in which all others say what is read of them."""
    moments = [datetime.fromisoformat(str(w)) if w else None for w in new]
    kept = [(m, w) for m, w, g in zip(moments, words, gone, strict=True) if not g and m is not None]
    for shape in _DATES:
        if all(m.strftime(shape) == w for m, w in kept):
            return np.array(["" if m is None else m.strftime(shape) for m in moments])
    return None
