"""Many lines of a text table at once, column by column, where their cells need none of the rules of csv."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_ROWS_OF_A_WORD = 2  # a column is taken as different words where each stands in so many rows


@dataclass(frozen=True)
class Coded:
    """The cells of a column as its different words, in the order in which they come, and the place among them of each (n,)."""

    words: list[str]
    places: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: slice) -> list[str]:
        return [self.words[i] for i in self.places[rows].tolist()]

    def __iter__(self) -> Iterator[str]:
        return iter(self[:])


@dataclass(frozen=True)
class Block:
    """The columns of some rows, in order: words, or numbers with NaN for cells without a value."""

    columns: Sequence[Sequence[str] | Coded | Values]

    def __len__(self) -> int:
        return len(self.columns[0])

    def part(self, first: int, end: int | None) -> "Block":
        """Return the rows from `first` to before `end`."""
        return Block([c[first:end] for c in self.columns])


def is_plain(text: str, delimiter: str, width: int) -> bool:
    """Return whether lines, which end in line feeds, are cut by delimiters and these alone, and none of them is blank."""
    if not text or delimiter == " ":
        return False
    empty = f"{delimiter * (width - 1)}\n"
    if any(sign in text for sign in ('"', "'", "\r", f"{delimiter} ", "\n ", "\n\n", f"\n{empty}")):
        return False
    return not text.startswith((" ", "\n", empty))


def by_columns(text: str, delimiter: str, width: int, numbers: Collection[int], missing: Collection[str]) -> Block | None:
    """Return plain lines as columns; None where one has another number of cells, or where a cell is not what is said of it.

    numbers: the places of columns that hold numbers and `missing` words alone, as far as is known.
    """
    arrow = _arrow()
    if arrow is None:
        cells = text.removesuffix("\n").split("\n")
        if any(line.count(delimiter) != width - 1 for line in cells):
            return None
        flat = delimiter.join(cells).split(delimiter)
        return Block([flat[i::width] for i in range(width)])
    try:
        table = _parsed(arrow, text, delimiter, width, numbers, missing)
        return Block([_numbers(c, missing) if i in numbers else _words(c) for i, c in enumerate(table.columns)])
    except ValueError:  # Arrow's own errors are some
        return None


@cache
def _arrow() -> Any:
    """Return Arrow with its reader of csv; None where it is not installed."""
    try:
        import_module("pyarrow.csv")
        return import_module("pyarrow")
    except ImportError:
        return None


def _parsed(arrow: Any, text: str, delimiter: str, width: int, numbers: Collection[int], missing: Collection[str]) -> Any:
    names, data = [str(i) for i in range(width)], text.encode()
    words = arrow.dictionary(arrow.int32(), arrow.string())
    spelt = sorted({f(w) for w in missing if not _is_number(w) for f in (str, str.upper, str.title)})
    return arrow.csv.read_csv(
        arrow.BufferReader(data),
        arrow.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
        arrow.csv.ParseOptions(delimiter=delimiter, quote_char=False, double_quote=False),
        arrow.csv.ConvertOptions(
            check_utf8=False,
            column_types={n: arrow.float64() if i in numbers else words for i, n in enumerate(names)},
            null_values=spelt,
            strings_can_be_null=False,
        ),
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return word.lower() != "nan"


def _numbers(column: Any, missing: Collection[str]) -> Values:
    """Return numbers, NaN where missing. ValueError for a word nan that stands for no missing value."""
    values: Values = column.to_numpy()
    if "nan" not in missing and int(np.isnan(values).sum()) != column.null_count:
        raise ValueError("nan is no missing value here")
    return values


def _words(column: Any) -> Sequence[str] | Coded:
    coded = column.combine_chunks()
    words, places = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    whole = Coded(words, places)
    return whole if len(words) * _ROWS_OF_A_WORD <= len(places) else list(whole)
