"""From the words of a file's cells to a column."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.frame import Column, Values

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # in lower case
_LARGEST = float(np.finfo(np.float32).max)


class Cells:
    """Cells of one column, added piece by piece.

    A column is of numbers where every cell that is there is a number, else of text; with `text` it is text in any case.
    """

    def __init__(self, file: str, name: str, text: bool) -> None:
        self.file, self.name, self.text = file, name, text
        self.words: dict[str, int] = {}
        self._seen: dict[str, float] = {}
        self._parts: list[tuple[bool, Values]] = []

    def add(self, cells: Sequence[str]) -> None:
        """The next cells."""
        numbers = None if self.text else _numbers(cells)
        if numbers is None:
            numbers = np.array([self._seen[c] if c in self._seen else self._place(c) for c in cells])
            self._parts.append((True, numbers))
        else:
            self._parts.append((False, numbers))

    def _place(self, cell: str) -> float:
        word = cell.strip()
        place = math.nan if word.lower() in MISSING else float(self.words.setdefault(word, len(self.words)))
        self._seen[cell] = place
        return place

    def column(self) -> Column:
        """The whole column. AerunError for numbers among which some cell is none, and for infinite ones."""
        values = np.concatenate([part for _, part in self._parts])
        if not any(text for text, _ in self._parts):
            return Column("number", finite(self.file, self.name, values))
        if not self.text:
            self._refuse_mixed()
        return Column("text", values, tuple(self.words))

    def _refuse_mixed(self) -> None:
        numbers = sum(int((~np.isnan(part)).sum()) for text, part in self._parts if not text)
        places = np.concatenate([part for text, part in self._parts if text])
        counts = np.bincount(places[~np.isnan(places)].astype(np.int64), minlength=len(self.words))
        alien = [place for word, place in self.words.items() if _number(word) is None]
        words = int(counts[alien].sum())
        if numbers or int(counts.sum()) - words > words:
            row, place = self._first(set(alien))
            raise AerunError(
                f"{self.file}: column '{self.name}', row {row + 1}: '{list(self.words)[place]}' is not a number, as others "
                f"are. Mend it, or dataset.categorical=[{self.name}] for classes, or dataset.drop=[{self.name}]."
            )

    def _first(self, alien: set[int]) -> tuple[int, int]:
        start = 0
        for text, part in self._parts:
            for row, place in enumerate(part) if text else ():
                if place in alien:
                    return start + row, int(place)
            start += len(part)
        raise AssertionError("a column of text without a word")


def _numbers(cells: Sequence[str]) -> Values | None:
    """Cells as numbers, NaN where missing; None where one is neither."""
    if "_" in "".join(cells):  # Python reads 1_000 as a number, tables do not mean it
        return None
    try:
        return np.array(list(map(float, cells)))
    except ValueError:
        pass
    try:
        return np.array([math.nan if c.strip().lower() in MISSING else float(c) for c in cells])
    except ValueError:
        return None


def _number(word: str) -> float | None:
    found = _numbers([word])
    return None if found is None else float(found[0])


def is_number(word: str) -> bool:
    """Does a cell hold a number (and not a missing value)?"""
    found = _number(word)
    return found is not None and not math.isnan(found)


def finite(file: str, name: str, values: Values) -> Values:
    """`values` if each is NaN or fits into 32 bits, else AerunError."""
    wrong = np.abs(values) > _LARGEST
    if wrong.any():
        row = int(wrong.argmax())
        raise AerunError(
            f"{file}: column '{name}', row {row + 1}: {values[row]} is infinite or beyond 32 bits. Mend it, or leave it empty."
        )
    return values


def seconds(word: str) -> float | None:
    """A date in ISO 8601 (2024-05-31, 2024-05-31T12:00:00+02:00) as seconds since 1970; UTC where it names no zone."""
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def duplicates(names: Iterable[str]) -> list[str]:
    """Names that occur more than once."""
    seen: set[str] = set()
    return [n for n in names if n in seen or seen.add(n)]  # type: ignore[func-returns-value]
