"""From the words of a file's cells to a column."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.formats.arrays import forget
from aerun.formats.codes import may_be_codes
from aerun.formats.frame import Values
from aerun.formats.limits import WORD
from aerun.formats.packed import Packed
from aerun.formats.plain_cells import key_of, only_digits, plain_numbers, shows_point, typed_numbers
from aerun.formats.reading import without_marks
from aerun.formats.room import Place
from aerun.formats.settled import Settled, settled
from aerun.formats.spool import Spool
from aerun.formats.text_blocks import Coded

_LARGEST = float(np.finfo(np.float32).max)
_FIRST = 64  # cells of a piece in which a decimal point is looked for
_PIECE = 1 << 20  # values that are looked at at a time
MANY = 50_000  # different words, from which on dates and numbers are kept as what they are
MOST = 500_000  # different words of a column that nothing says is text, from which on they are not kept


@dataclass(frozen=True, slots=True)
class _Piece:
    """Cells in order: plain numbers; or words by their places and, where the column has settled, what they mean."""

    numbers: Packed | None = None
    places: Packed | None = None
    meant: Packed | None = None

    def __len__(self) -> int:
        return max(0 if part is None else len(part) for part in (self.numbers, self.places, self.meant))

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (self.numbers, self.places, self.meant) if part is not None)

    def move_to(self, spool: Spool) -> None:
        for part in (self.numbers, self.places, self.meant):
            if part is not None:
                part.move_to(spool)

    def at(self, places: NDArray[np.int32]) -> "_Piece":
        """Return the cells at these places, of those that are no plain numbers."""
        of = (None if part is None else Packed(part.values()[places]) for part in (self.places, self.meant))
        return _Piece(None, *of)

    def values(self, table: Values) -> Values:
        """Return what the cells are, words by `table`, whose last number stands for no value."""
        if self.numbers is not None:
            return self.numbers.values()
        meant = None if self.meant is None else self.meant.values()
        if self.places is None:
            assert meant is not None
            return meant
        places = self.places.values()
        values = table[np.where(np.isnan(places), len(table) - 1, places).astype(np.int64)]
        return values if meant is None else np.where(np.isnan(meant), values, meant)


@dataclass
class Cells:
    """Cells of one column, added piece by piece.

    They are words of a text file, or what a typed container holds (None, numbers, bool, dates, Decimal, words). More than
    `MANY` different ones that are all dates, or numbers with a unit, are kept as what they mean from then on, see `Settled`,
    and only words that are none as words. More than `MOST` of a column that nothing calls text are no classes and are given up.

    format: what is known of the column (see `Reading`), or empty. decimal: its decimal sign, or auto. missing: words of cells
    without a value, in lower case. dates: order of day and month, or auto.
    """

    file: str
    name: str
    format: str
    decimal: str
    missing: frozenset[str]
    codes: bool = False  # may digits be words, see `aerun.formats.codes`?
    dates: str = "auto"
    whole: bool = True  # are all plain numbers so far nothing but digits?
    words: dict[Any, int] = field(default_factory=dict)
    point: str = ""  # a cell that shows a decimal point, of those that were read as plain numbers
    dotted: bool = False  # may such a cell hold a point?
    settled: Settled | None = None
    given_up: bool = False
    place: Place | None = None  # where all cells go in the end; None: into memory
    _spool: Spool | None = None
    _seen: dict[Any, float] = field(default_factory=dict)  # places, or values of a settled column, of cells that are no words
    _pieces: list[_Piece] = field(default_factory=list)
    _spooled: int = 0  # pieces of the front that are on disk
    _next: int = 0  # how many different words there are when it is next seen whether they settle

    @property
    def holds_numbers(self) -> bool:
        """Return whether all that the next cells may be asked, were they all numbers, is which."""
        known = self.format == "number" or (not self.format and bool(self._pieces) and not self.worded)
        pointed = self.decimal == "." or (self.decimal == "auto" and self.dotted and bool(self.point))
        return known and pointed and not (self.codes and self.whole) and not self.words

    def add(self, cells: Sequence[Any] | Coded | Values) -> None:
        """Take the next cells; as an array they are plain numbers, see `holds_numbers`."""
        if self.given_up:
            return
        if isinstance(cells, np.ndarray):
            self._pieces.append(_Piece(numbers=Packed(cells)))
        elif not isinstance(cells, Coded):
            self._pieces.append(self._piece(cells))
        elif self.format != "text" and self._plain(cells.words, "".join(cells.words)) is not None:
            self._pieces.append(self._piece(list(cells)))
        else:
            self._pieces.append(self._worded(cells.words).at(cells.places))
        if len(self.words) > max(MANY, self._next) and self.format != "text":
            self._settle()
        if self._spool is not None:
            self.move_to(self._spool)

    def _piece(self, cells: Sequence[Any]) -> _Piece:
        try:
            joined = "".join(cells)
        except TypeError:
            joined, keys = None, list(map(key_of, cells))
        else:
            keys = cells  # type: ignore[assignment]
        numbers = None if self.format == "text" else typed_numbers(cells) if joined is None else self._plain(cells, joined)
        return self._worded(keys) if numbers is None else _Piece(numbers=Packed(numbers))

    def move_to(self, spool: Spool) -> None:
        """Keep the cells on disk, also those that are still to come; the words stay in memory."""
        for piece in self._pieces[self._spooled :]:
            piece.move_to(spool)
        self._spool, self._spooled = spool, len(self._pieces)

    def _worded(self, keys: Sequence[Any]) -> _Piece:
        seen, words = self._seen, self.words
        if len(seen) > MANY:
            seen.clear()
        if self.settled is None:
            places = [words[k] if k in words else seen[k] if k in seen else self._place(k) for k in keys]
            return _Piece(places=Packed(np.array(places, dtype=np.float64)))
        meant = Packed(np.array([seen[k] if k in seen else self._meant(k) for k in keys], dtype=np.float64))
        if not words:
            return _Piece(meant=meant)
        places = [words.get(k.strip() if isinstance(k, str) else k, math.nan) for k in keys]
        return _Piece(meant=meant, places=Packed(np.array(places, dtype=np.float64)))

    def _plain(self, cells: Sequence[str], joined: str) -> Values | None:
        """Return plain numbers, NaN where missing; None where some cell is something else."""
        if "_" in joined:  # Python reads 1_000 as a number, tables do not mean it
            return None
        if self.decimal == "," and ("," in joined or "." in joined):
            if "." in joined:
                return None
            cells = [c.replace(",", ".") for c in cells]
        numbers = plain_numbers(cells, self.missing)
        if numbers is not None and self.codes and self.whole:
            if may_be_codes(cells, joined, numbers):
                return None
            self.whole = only_digits(cells, joined, self.missing)
        if numbers is not None and self.decimal == "auto" and "." in joined:
            self._look_for_points(cells)
        return numbers

    def _look_for_points(self, cells: Sequence[str]) -> None:
        """Record whether numbers hold points; words of cells without a value, such as `k.A.`, say nothing of them."""
        if any("." in word for word in self.missing):
            cells = [c for c in cells if c.strip().lower() not in self.missing]
        self.dotted = self.dotted or any("." in c for c in cells)
        self.point = self.point or next((c.strip() for c in cells[:_FIRST] if shows_point(c)), "")

    def _place(self, key: Any) -> float:
        """Return the place of a cell's word, a new one where it has none; NaN where the cell has no value."""
        word = self._word(key)
        if word is None:
            self._seen[key] = math.nan
            return math.nan
        place = self.words.setdefault(word, len(self.words))
        if word is not key:
            self._seen[key] = place
        return place

    def _word(self, key: Any) -> Any:
        """Return the word of a cell; None where it has no value."""
        word = key.strip() if isinstance(key, str) else key
        gone = word is None or word != word or (isinstance(word, str) and word.lower() in self.missing)
        return None if gone else word

    def _meant(self, key: Any) -> float:
        """Return what a cell of a settled column means; NaN where it has no value, or is one more word."""
        word = self._word(key)
        assert self.settled is not None
        value = None if word is None else self.settled.read(word)
        if word is not None and value is None:
            self.words.setdefault(word, len(self.words))
        self._seen[key] = math.nan if value is None else value
        return self._seen[key]

    def _settle(self) -> None:
        """Keep what the words mean in place of the words, where all mean dates or numbers; else look again later."""
        self._next = 2 * len(self.words)
        found = None if self.settled else settled(self.words, self.format, self.decimal, self.dates, self.codes)
        if found is not None:
            if found.point:
                self.point = self.point or found.point
            table = np.array([*(found.read(w) for w in self.words), np.nan], dtype=np.float64)
            pieces = [p if p.places is None else _Piece(meant=Packed(p.values(table))) for p in self._pieces]
            self.settled, self._pieces, self.words, self._next, self._spooled = found, pieces, {}, 0, 0
            self._seen.clear()
        elif len(self.words) > MOST and not self.format:
            self.given_up, self._pieces = True, []
            self.words = dict.fromkeys(list(self.words)[:MANY], 0)
            self._seen.clear()

    @property
    def worded(self) -> bool:
        """Return whether there are cells that are no plain numbers."""
        return self.given_up or any(piece.numbers is None for piece in self._pieces)

    def turn_into_words(self) -> None:
        """Make words of cells that were read as plain whole numbers, digit by digit as they stand in the file."""
        for i, piece in enumerate(self._pieces):
            if piece.numbers is not None:
                part = piece.numbers.values()
                numbers, places = np.unique(part[~np.isnan(part)], return_inverse=True)
                known = np.array([self._place(repr(int(n))) for n in numbers], dtype=np.float64)
                moved = np.full(len(part), np.nan)
                moved[~np.isnan(part)] = known[places]
                self._pieces[i] = _Piece(places=Packed(moved))
                if self._spool is not None:
                    self._pieces[i].move_to(self._spool)

    def values(self, of_words: Sequence[float] = ()) -> Values:
        """Return all cells: numbers, and for words the numbers that `of_words` has in their order. The pieces are given up."""
        return self._gathered(of_words, lambda values: values)

    def numbers(self, of_words: Sequence[float] = ()) -> Values:
        """Return all cells of a column of numbers, NaN for those that stand for no value however they are spelt."""
        values = self._gathered(of_words, lambda values: without_marks(values, self.missing))
        return finite(self.file, self.name, values)

    def _gathered(self, of_words: Sequence[float], change: Callable[[Values], Values]) -> Values:
        table = np.array([*of_words, np.nan], dtype=np.float64)
        place = self.place or Place(np.empty(sum(map(len, self._pieces))))
        for piece in self._pieces:
            place.add(change(piece.values(table)))
        self._pieces = []
        return place.values()

    def first(self, places: set[int], also_settled: bool = False) -> tuple[int, Any]:
        """Return row (from 0) and word of the first cell that is one of the words at `places`.

        also_settled: or one that is kept as what it means; then a date or a number stands for its word.
        """
        start, wanted = 0, list(places)
        for piece in self._pieces:
            hits = np.isin(piece.places.values(), wanted) if piece.places is not None else np.zeros(len(piece), dtype=bool)
            meant = piece.meant.values() if also_settled and piece.meant is not None else np.full(len(piece), np.nan)
            if len(both := np.flatnonzero(hits | ~np.isnan(meant))):
                row = int(both[0])
                if hits[row]:
                    assert piece.places is not None
                    return start + row, list(self.words)[int(piece.places.values()[row])]
                assert self.settled is not None
                return start + row, self.settled.shown(float(meant[row]))
            start += len(piece)
        raise AssertionError("a word that no cell holds")

    def count(self, places: Iterable[int]) -> int:
        """Return how many cells hold one of these words."""
        wanted = list(places)
        return sum(int(np.isin(p.places.values(), wanted).sum()) for p in self._pieces if p.places is not None)

    def count_settled(self) -> int:
        """Return how many cells are kept as what they mean."""
        return sum(int((~np.isnan(p.meant.values())).sum()) for p in self._pieces if p.meant is not None)

    def plain_numbers(self) -> int:
        """Return how many cells are plain numbers, in pieces of nothing else."""
        return sum(int((~np.isnan(p.numbers.values())).sum()) for p in self._pieces if p.numbers is not None)

    @property
    def nbytes(self) -> int:
        """Return about how many bytes the cells take in memory."""
        return sum(piece.nbytes for piece in self._pieces) + WORD * len(self.words)


def finite(file: str, name: str, values: Values) -> Values:
    """Return `values` if each is NaN or fits into 32 bits, else AerunError."""
    for first in range(0, len(values), _PIECE):
        wrong = np.abs(values[first : first + _PIECE]) > _LARGEST
        if wrong.any():
            row = first + int(wrong.argmax())
            raise AerunError(
                f"{file}: column '{name}', row {row + 1}: {values[row]} is infinite or beyond 32 bits. Mend it, or leave it "
                "empty."
            )
    forget(values)
    return values
