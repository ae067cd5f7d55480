"""Does a table begin with the names of its columns, and what stands before it?"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from aerun.core.errors import AerunError
from aerun.formats.cell_words import moment_of
from aerun.formats.number_words import decimal_of, is_number, undressed
from aerun.formats.problems import Problem, UnclearError

Cells = Sequence[str]
_LEAST = 3  # columns of which a row of rising numbers says something


def lines_before(rows: Sequence[Cells]) -> int:
    """Return how many of the first rows are no part of the table: titles and remarks, narrower than what follows."""
    widths = Counter(len(r) for r in rows[len(rows) // 2 :])
    width = widths.most_common(1)[0][0] if widths else 0
    count = 0
    for row in rows[: max(0, len(rows) - 2)]:
        filled = sum(bool(c.strip()) for c in row)
        remark = row[0].lstrip().startswith("#") and len(row) != width
        key = len(row) < width - 1 or (len(row) < width and (count > 0 or len(rows[1]) < width))
        if not (remark or key or (width > 1 and len(row) == 1) or (width > 2 and filled <= 1 and len(row) <= width)):
            break
        count += 1
    later = rows[count : count + 2]
    return count if count and len(later) == 2 and all(len(r) == width for r in later) else 0


def is_headed(file: str, first: Cells, below: Sequence[Cells], missing: frozenset[str]) -> bool:
    """Return whether the first row names the columns.

    It does where a word stands over numbers or dates, and does not where its cells are like those under them. Raises
    UnclearError where it may be either.
    """
    look = partial(_look, missing=missing)
    top = [look(c) for c in first]
    if not below or any(len(r) != len(first) for r in below):
        return "word" in top or "number" not in top
    columns = list(zip(*below, strict=True))
    under = [{k for k in map(look, column[:64]) if k != "gone"} for column in columns]
    if any(t == "word" and u == {"number"} for t, u in zip(top, under, strict=True)):
        return True
    alike = sum(t == "number" and u == {"number"} for t, u in zip(top, under, strict=True))
    repeats = [t == "word" and c in column for t, c, column in zip(top, first, columns, strict=True)]
    if not alike:
        return not any(repeats) and ("word" in top or "number" not in top)
    if "word" in top:
        if any(repeats):
            return False
        raise UnclearError([_unclear(file, first, "its numbers are like those below and its words are not")])
    return _is_series_of_names(file, first, below)


def _is_series_of_names(file: str, first: Cells, below: Sequence[Cells]) -> bool:
    """Return 0, 1, 2, ... or 1, 2, 3, ... over other numbers are names; other rising numbers may be (wavelengths, years)."""
    if len(first) < _LEAST:
        return False
    if _counts(first) and float(first[0]) in (0, 1):
        return not any(_counts(row) for row in below)
    evenly = len(first) == _LEAST and _is_evenly_spaced(first) and not any(map(_is_evenly_spaced, below))
    if evenly or (len(first) > _LEAST and _rises(first) and sum(map(_rises, below)) <= 0.1 * len(below)):
        raise UnclearError([_unclear(file, first, "its numbers rise, as names do, and those of the rows below do not")])
    return False


def _is_evenly_spaced(row: Cells) -> bool:
    """Return whether numbers rise by the same step, as years and wavelengths do."""
    if not _rises(row):
        return False
    steps = [float(b) - float(a) for a, b in pairwise(row)]
    return max(steps) - min(steps) <= 1e-6 * max(steps)


def _counts(row: Cells) -> bool:
    """Return whether each number is one more than the one before."""
    return all(map(is_number, row)) and all(float(b) - float(a) == 1 for a, b in pairwise(row))


def _rises(row: Cells) -> bool:
    numbers = [float(c) for c in row if is_number(c)]
    return len(numbers) == len(row) and all(a < b for a, b in pairwise(numbers))


def _unclear(file: str, first: Cells, why: str) -> Problem:
    shown = ",".join(first[:6]) + (",..." if len(first) > 6 else "")
    return Problem(
        f"{file}: is the first line ({shown}) a header? {why[0].upper()}{why[1:]}: dataset.header=true or "
        "dataset.header=false.",
        {"header": "true"},
    )


def is_units(rows: Sequence[Cells], missing: frozenset[str]) -> bool:
    """Return whether the first row under a header holds units: words over two or more columns of numbers, and no number.

    A word that occurs again in its column is a value.
    """
    if len(rows) < _LEAST or any(len(r) != len(rows[0]) for r in rows):
        return False
    top = [_look(c, missing) for c in rows[0]]
    columns = list(zip(*rows[1:], strict=True))
    if "number" in top or any(t == "word" and c in column for t, c, column in zip(top, rows[0], columns, strict=True)):
        return False
    over = [t for t, column in zip(top, columns, strict=True) if {_look(c, missing) for c in column} - {"gone"} == {"number"}]
    return over.count("word") > 1 and over.count("word") == len(over)


def refuse_two_headers(file: str, first: Cells, second: Cells, missing: frozenset[str]) -> None:
    """Raise UnclearError where a line of words stands under one with numbers among its words: names under a title, or units."""
    if {"word", "number"} <= {_look(c, missing) for c in first}:
        words = (
            f"{file}: do the names of the columns stand in the first line ({','.join(first)[:60]}), with units below, or in "
            f"the second ({','.join(second)[:60]})? dataset.skip=1 takes the second; for the first, take the line of units out."
        )
        raise UnclearError([Problem(words, {"skip": "1"})])


def _look(cell: str, missing: frozenset[str]) -> str:
    """Return gone, number (also a date, or a number in other dress) or word."""
    word = cell.strip()
    if word.lower() in missing:
        return "gone"
    if is_number(word) or decimal_of(undressed(word)[1]) is not None or any(moment_of(word, o) for o in ("dmy", "mdy")):
        return "number"
    return "word"


def refuse_nothing(file: str, rows: int) -> None:
    """Raise AerunError for a table without rows."""
    if not rows:
        raise AerunError(f"{file}: has a header and no rows.")
