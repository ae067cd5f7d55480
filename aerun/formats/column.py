"""From the words of a file's cells to a column."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from aerun.core.errors import AerunError
from aerun.formats.codes import may_be_codes
from aerun.formats.date_words import seconds
from aerun.formats.frame import Values
from aerun.formats.number_words import is_number, value_of

_LARGEST = float(np.finfo(np.float32).max)
_FIRST = 64  # cells of a piece in which a decimal point is looked for


@dataclass(frozen=True)
class Moment:
    """A date that its container calls one, in seconds since 1970 UTC."""

    seconds: float


@dataclass
class Cells:
    """Cells of one column, added piece by piece.

    They are words of a text file, or what a typed container holds (None, numbers, bool, dates, Decimal, words).

    format: what is known of the column (see `Reading`), or empty. decimal: its decimal sign, or auto. missing: words of cells
    without a value, in lower case.
    """

    file: str
    name: str
    format: str
    decimal: str
    missing: frozenset[str]
    codes: bool = False  # may digits be words, see `aerun.formats.codes`?
    whole: bool = True  # are all plain numbers so far nothing but digits?
    words: dict[Any, int] = field(default_factory=dict)
    point: str = ""  # a cell that shows a decimal point, of those that were read as plain numbers
    dotted: bool = False  # may such a cell hold a point?
    _seen: dict[Any, float] = field(default_factory=dict)
    _parts: list[tuple[bool, Values]] = field(default_factory=list)

    def add(self, cells: Sequence[Any]) -> None:
        """Take the next cells."""
        try:
            joined = "".join(cells)
        except TypeError:
            joined, keys = None, list(map(_key, cells))
        else:
            keys = cells  # type: ignore[assignment]
        numbers = None if self.format == "text" else _typed(cells) if joined is None else self._plain(cells, joined)
        if numbers is None:
            seen = self._seen
            self._parts.append((True, np.array([seen[k] if k in seen else self._place(k) for k in keys])))
        else:
            self._parts.append((False, numbers))

    def _plain(self, cells: Sequence[str], joined: str) -> Values | None:
        """Return plain numbers, NaN where missing; None where some cell is something else."""
        if "_" in joined:  # Python reads 1_000 as a number, tables do not mean it
            return None
        if self.decimal == "," and ("," in joined or "." in joined):
            if "." in joined:
                return None
            cells = [c.replace(",", ".") for c in cells]
        numbers = _numbers(cells, self.missing)
        if numbers is not None and self.codes and self.whole:
            if may_be_codes(cells, joined, numbers):
                return None
            self.whole = _only_digits(cells, joined, self.missing)
        if numbers is not None and self.decimal == "auto" and "." in joined:
            self._look_for_points(cells)
        return numbers

    def _look_for_points(self, cells: Sequence[str]) -> None:
        """Note whether numbers hold points; words of cells without a value, such as `k.A.`, say nothing of them."""
        if any("." in word for word in self.missing):
            cells = [c for c in cells if c.strip().lower() not in self.missing]
        self.dotted = self.dotted or any("." in c for c in cells)
        self.point = self.point or next((c.strip() for c in cells[:_FIRST] if _shows_point(c)), "")

    def _place(self, key: Any) -> float:
        word = key.strip() if isinstance(key, str) else key
        gone = word is None or word != word or (isinstance(word, str) and word.lower() in self.missing)
        place = math.nan if gone else float(self.words.setdefault(word, len(self.words)))
        self._seen[key] = place
        return place

    @property
    def worded(self) -> bool:
        """Return whether there are cells that are no plain numbers."""
        return any(text for text, _ in self._parts)

    def turn_into_words(self) -> None:
        """Make words of cells that were read as plain whole numbers, digit by digit as they stand in the file."""
        for i, (text, part) in enumerate(self._parts):
            if not text:
                numbers, places = np.unique(part[~np.isnan(part)], return_inverse=True)
                known = np.array([self._place(repr(int(n))) for n in numbers], dtype=np.float64)
                moved = np.full(len(part), np.nan)
                moved[~np.isnan(part)] = known[places]
                self._parts[i] = (True, moved)

    @property
    def parts(self) -> list[tuple[bool, Values]]:
        """Return pieces: words by their places in `words`, or numbers."""
        return self._parts

    def values(self) -> Values:
        """Return all cells: numbers, or places in `words`. The pieces are given up."""
        values = np.concatenate([part for _, part in self._parts])
        self._parts = []
        return values

    def first(self, places: set[int]) -> tuple[int, Any]:
        """Return row (from 0) and word of the first cell that is one of the words at `places`."""
        start = 0
        for text, part in self._parts:
            hits = np.flatnonzero(np.isin(part, list(places))).tolist() if text else []
            if hits:
                return start + hits[0], list(self.words)[int(part[hits[0]])]
            start += len(part)
        raise AssertionError("a word that no cell holds")

    def count(self, places: Iterable[int]) -> int:
        """Return how many cells hold one of these words."""
        parts = [part for text, part in self._parts if text]
        return int(np.isin(np.concatenate(parts), list(places)).sum()) if parts else 0

    def plain_numbers(self) -> int:
        """Return how many cells are plain numbers, in pieces of nothing else."""
        return sum(int((~np.isnan(part)).sum()) for text, part in self._parts if not text)


def _key(cell: Any) -> Any:
    """Return what tells cells apart in a dictionary, in which 1, 1.0 and True would be one."""
    if isinstance(cell, str):
        return cell
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(cell, bool | np.bool_):
        return "True" if cell else "False"
    if isinstance(cell, Moment):
        return cell
    if isinstance(cell, datetime):
        return Moment((cell if cell.tzinfo else cell.replace(tzinfo=UTC)).timestamp())
    if isinstance(cell, date):
        return Moment(datetime(cell.year, cell.month, cell.day, tzinfo=UTC).timestamp())
    if isinstance(cell, np.datetime64):
        return None if np.isnat(cell) else Moment(int(cell.astype("datetime64[us]").astype(np.int64)) / 1e6)
    return _number_or_word(cell)


def _number_or_word(cell: Any) -> Any:
    try:
        number = float(cell)
    except (TypeError, ValueError, ArithmeticError):
        try:
            return None if bool(cell != cell) else str(cell)
        except (TypeError, ValueError):  # a missing value of a kind of its own, which answers neither yes nor no
            return None
    return None if math.isnan(number) else number


def _typed(cells: Sequence[Any]) -> Values | None:
    """Return python's or numpy's numbers, NaN where there is none; None for anything else."""
    kinds = {type(c) for c in cells}
    if not all(k is type(None) or (issubclass(k, int | float | np.integer | np.floating) and k is not bool) for k in kinds):
        return None
    return np.array([math.nan if c is None else float(c) for c in cells])


def _numbers(cells: Sequence[str], missing: frozenset[str]) -> Values | None:
    try:
        values = np.array(list(map(float, cells)))
        if "nan" in missing or not np.isnan(values).any():
            return values
    except ValueError:
        pass
    try:
        values = np.array([math.nan if c.strip().lower() in missing else float(c) for c in cells])
    except ValueError:
        return None
    gone = sum(c.strip().lower() in missing for c in cells)
    return values if int(np.isnan(values).sum()) == gone else None  # a word nan that stands for no missing value


def _only_digits(cells: Sequence[str], joined: str, missing: frozenset[str]) -> bool:
    """Return whether cells that are numbers, or missing, are written in digits alone."""
    if "." in joined or "-" in joined:
        return False
    return joined.isdecimal() or all(c.strip().isdecimal() or c.strip().lower() in missing for c in cells)


def _shows_point(cell: str) -> bool:
    """Return whether the point is a decimal one, and not one between thousands."""
    whole, point, rest = cell.strip().lstrip("+-").partition(".")
    return bool(point) and (len(rest) != 3 or whole in ("", "0") or len(whole) > 3)


def spelt(word: Any) -> str:
    """Return a cell as a word: numbers as short as they can be, dates in ISO 8601."""
    if isinstance(word, Moment):
        return datetime.fromtimestamp(word.seconds, UTC).replace(tzinfo=None).isoformat()
    if isinstance(word, float):
        return repr(int(word)) if word == int(word) else repr(word)
    return str(word)


def number_of(word: Any, decimal: str) -> tuple[float, str] | None:
    """Return number and percent or currency sign of a cell; None where it is none."""
    if isinstance(word, str):
        return value_of(word, decimal)
    return (word, "") if isinstance(word, float) else None


def moment_of(word: Any, order: str) -> float | None:
    """Return a cell as a date, in seconds since 1970; None where it is none."""
    if isinstance(word, Moment):
        return word.seconds
    return seconds(word, order) if isinstance(word, str) and not is_number(word) else None


def finite(file: str, name: str, values: Values) -> Values:
    """Return `values` if each is NaN or fits into 32 bits, else AerunError."""
    wrong = np.abs(values) > _LARGEST
    if wrong.any():
        row = int(wrong.argmax())
        raise AerunError(
            f"{file}: column '{name}', row {row + 1}: {values[row]} is infinite or beyond 32 bits. Mend it, or leave it empty."
        )
    return values
