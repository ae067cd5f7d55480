"""How a table is read, and the names of its columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError, nearest
from aerun.formats.number_words import is_number, matching
from aerun.formats.problems import Problem, UnclearError

USUAL = ("NA", "N/A", "NaN", "null", "None", "?", "<NA>", "NaT", "#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!")
MISSING = frozenset({"", *(w.lower() for w in USUAL)})  # words of cells without a value
_CHOICES = {"header": ("auto", "true", "false"), "decimal": ("auto", ".", ","), "dates": ("auto", "dmy", "mdy")}
KINDS = ("number", "date", "text")


@dataclass(frozen=True)
class Reading:
    """How files are read.

    header: auto, true or false. text: columns whose cells are words, whatever they look like. drop: columns left out; with
    `loose`, those that are not there are no mistake. decimal: auto, point or comma. dates: order of day and month, auto, dmy or
    mdy. missing: words of cells without a value, in lower case. skip: lines before the table, auto or a number. formats: what
    is known of columns: `number`, `number %`, `date`, `date dmy`, `text`; where any is, all others are passed over.
    """

    delimiter: str
    header: str
    encoding: str
    text: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()
    loose: bool = False
    decimal: str = "auto"
    dates: str = "auto"
    missing: frozenset[str] = MISSING
    skip: str = "auto"
    formats: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                raise AerunError(f"dataset.{key}={getattr(self, key)}: must be one of {' '.join(allowed)}.")
        if self.skip != "auto" and not (self.skip.isascii() and self.skip.isdigit()):
            raise AerunError(f"dataset.skip={self.skip}: must be auto or a number of lines.")

    def wants(self, name: str) -> bool:
        """Return whether a column of this name is read."""
        return name in self.formats if self.formats else name not in self.drop

    def stored(self) -> dict[str, Any]:
        """Return it as plain data for `reading_from`.

        Without what belongs to one file alone: its delimiter, and lines before the table.
        """
        return {
            "header": self.header,
            "encoding": self.encoding,
            "decimal": self.decimal,
            "missing": sorted(self.missing),
            "formats": dict(self.formats),
        }


def missing_words(value: str | Sequence[str]) -> frozenset[str]:
    """Return the setting `missing_words`: auto, or a list; `auto` in a list stands for the usual ones.

    The empty cell is always among them.
    """
    words = [value] if isinstance(value, str) else [str(v) for v in value]
    own = {w.strip().lower() for w in words if w != "auto"}
    return frozenset({"", *own, *(MISSING if "auto" in words else ())})


def without_marks(values: NDArray[np.float64], missing: frozenset[str]) -> NDArray[np.float64]:
    """Return numbers with NaN for those that `missing` names as marks of no value, such as -999, however they are spelt."""
    marks = [float(w) for w in missing if is_number(w)]
    return np.where(np.isin(values, marks), np.nan, values) if marks else values


def reading_from(stored: Mapping[str, Any], base: Reading) -> Reading:
    """Return `base` with what a run stored of its own reading. AerunError for what `Reading.stored` did not write."""
    try:
        formats = {str(k): str(v) for k, v in dict(stored["formats"]).items()}
        if any(f.split(" ")[0] not in KINDS for f in formats.values()):
            raise ValueError("a kind of column that is none")
        words = [stored[k] for k in ("header", "encoding", "decimal")]
        if not all(isinstance(w, str) for w in words) or not all(isinstance(w, str) for w in stored["missing"]):
            raise ValueError("words")
        return replace(
            base, header=words[0], encoding=words[1], decimal=words[2], missing=frozenset(stored["missing"]), formats=formats
        )
    except (KeyError, TypeError, ValueError) as e:
        raise AerunError(f"facts.json: damaged: what it says of how tables are read ({type(e).__name__} {e}).") from e


def checked_names(file: str, names: list[str], reading: Reading) -> tuple[list[str], Reading]:
    """Return the names, and the reading in those names (a column 3.0 may be typed as 3).

    The N-th is unnamedN where it has none. Raises AerunError for a name that occurs twice and for one that is missing or has to
    be dropped.
    """
    named = [name or f"unnamed{i}" for i, name in enumerate(names, 1)]
    if twice := duplicates(named):
        raise AerunError(f"{file}: two columns are named '{twice[0]}'.")
    drop = frozenset(matching(n, named) or n for n in reading.drop)
    text = frozenset(matching(n, named) or n for n in reading.text)
    reading = replace(reading, drop=drop, text=text)
    nameless = [(i, n) for i, (n, title) in enumerate(zip(named, names, strict=True), 1) if not title and reading.wants(n)]
    if nameless:
        what = "has no name. Name it, or"
        why = "(row numbers, as pandas writes them)"
        raise UnclearError(
            [Problem(f"{file}: column {i} {what} dataset.drop=[{n}] {why}.", {"drop": [n]}) for i, n in nameless]
        )
    for name in () if reading.loose else sorted(drop):
        if name not in named:
            raise AerunError(f"dataset.drop: {file} has no column '{name}'{nearest(name, named)}.")
    return named, reading


def duplicates(names: Iterable[str]) -> list[str]:
    """Return names that occur more than once."""
    seen: set[str] = set()
    return [n for n in names if n in seen or seen.add(n)]  # type: ignore[func-returns-value]
