"""How a table is read, and the names of its columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError, nearest
from aerun.formats.number_words import is_number, matching
from aerun.formats.problems import Problem, UnclearError
from aerun.formats.text_rows import spelt

USUAL = ("NA", "N/A", "NaN", "null", "None", "?", "<NA>", "NaT", "#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!")
MISSING = frozenset({"", *(w.lower() for w in USUAL)})  # words of cells without a value
_CHOICES = {"header": ("auto", "true", "false"), "decimal": ("auto", ".", ","), "dates": ("auto", "dmy", "mdy")}
THOUSANDS = {".": ",", ",": "."}  # what parts groups of digits, beside spaces and apostrophes
KINDS = ("number", "date", "text")


@dataclass(frozen=True)
class Reading:
    """How files are read.

    header: auto, true or false. text: columns whose cells are words, whatever they look like. drop: columns left out; with
    `loose`, those that are not there are no mistake. decimal: auto, point or comma. dates: order of day and month, auto, dmy
    or mdy. missing: words of cells without a value, in lower case. numeric: columns of digits that are numbers, though they
    look like codes; None: all. skip: lines before the table, auto or a number. formats: what is known of columns: `number`,
    `number %`, `date`, `date dmy`, `text`; where any is, all others are passed over. carried: columns whose cells are kept
    as they are written, beside what else becomes of them. usual:
    the delimiter of the run's own files, for others of the same run. decoded: the encoding that a file turned out to have.
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
    numeric: frozenset[str] | None = frozenset()
    formats: Mapping[str, str] = field(default_factory=dict)
    carried: frozenset[str] = frozenset()

    usual: str = ""
    decoded: str = ""

    def __post_init__(self) -> None:
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                raise AerunError(f"dataset.{key}={getattr(self, key)}: must be one of {' '.join(allowed)}.")
        if self.skip != "auto" and not (self.skip.isascii() and self.skip.isdigit()):
            raise AerunError(f"dataset.skip={self.skip}: must be auto or a number of lines.")

    def wants(self, name: str) -> bool:
        """Return whether a column of this name is read."""
        return name in self.formats if self.formats else name not in self.drop

    def may_be_codes(self, name: str) -> bool:
        """Return whether digits in a column of this name may be words, such as postcodes."""
        return self.numeric is not None and name not in self.numeric and name not in self.formats

    def keeps_digits(self, name: str) -> bool:
        """Return whether whole numbers of this column that 64-bit floats would not keep are words."""
        return self.may_be_codes(name) or name in self.text or self.formats.get(name) == "text"

    def stored(self) -> dict[str, Any]:
        """Return it, with all that was decided, as plain data for `reading_from`.

        decoded and skip are of the files that were read, and say nothing of others.
        """
        return {
            "delimiter": "" if self.delimiter == "auto" else self.delimiter,
            "header": self.header,
            "encoding": self.encoding,
            "decoded": self.decoded,
            "decimal": self.decimal,
            "thousands": THOUSANDS.get(self.decimal, ""),
            "dates": self.dates,
            "missing": sorted(self.missing),
            "skip": 0 if self.skip == "auto" else int(self.skip),
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
        usual, dates = stored.get("delimiter", ""), stored.get("dates", base.dates)  # which older runs did not store
        if not isinstance(usual, str) or len(usual) > 1 or not isinstance(dates, str):
            raise ValueError("a delimiter or an order of dates")
        return replace(
            base,
            header=words[0],
            encoding=words[1],
            decimal=words[2],
            dates=dates,
            missing=frozenset(stored["missing"]),
            formats=formats,
            usual=usual,
        )
    except (KeyError, TypeError, ValueError) as e:
        raise AerunError(f"facts.json: damaged: what it says of how tables are read ({type(e).__name__} {e}).") from e


def spoken(stored: Mapping[str, Any]) -> str:
    """Return what a run stored of its reading in one line; empty where it stored nothing of tables."""
    if "header" not in stored:
        return ""
    known = dict(stored)
    parts = []
    if known.get("delimiter"):
        parts.append(f"cut at {spelt(str(known['delimiter']))}")
        parts.append(str(known.get("decoded") or known["encoding"]))
    parts.append({"true": "with header", "false": "no header"}.get(str(known["header"]), "typed columns"))
    if known.get("skip"):
        parts.append(f"behind {known['skip']} lines")
    if known["decimal"] in THOUSANDS:
        parts.append(f"decimal sign {known['decimal']} (thousands {THOUSANDS[known['decimal']]})")
    formats = dict(known.get("formats") or {})
    orders = sorted({f.removeprefix("date ") for f in map(str, formats.values()) if f.startswith("date ")})
    orders = orders or [str(known["dates"])] * (known.get("dates") in ("dmy", "mdy"))
    parts += [f"dates {order}" for order in orders]
    own = sorted(set(known["missing"]) - MISSING)
    usual = set(known["missing"]) >= MISSING
    parts.append(f"missing: {'the usual words' if usual else 'the empty cell'}{''.join(f', {w}' for w in own)}")
    if known.get("zone"):
        parts.append(f"times in {known['zone']}")
    return ", ".join(parts)


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
    numeric = None if reading.numeric is None else frozenset(matching(n, named) or n for n in reading.numeric)
    carried = frozenset(matching(n, named) or n for n in reading.carried)
    reading = replace(reading, drop=drop, text=text, numeric=numeric, carried=carried)
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
