"""Cells that are plain numbers, or stand for themselves in a dictionary."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from aerun.formats.frame import Values


@dataclass(frozen=True)
class Moment:
    """A date that its container calls one, in seconds since 1970 UTC."""

    seconds: float


def key_of(cell: Any) -> Any:
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


def typed_numbers(cells: Sequence[Any]) -> Values | None:
    """Return python's or numpy's numbers, NaN where there is none; None for anything else."""
    kinds = {type(c) for c in cells}
    if not all(k is type(None) or (issubclass(k, int | float | np.integer | np.floating) and k is not bool) for k in kinds):
        return None
    return np.array([math.nan if c is None else float(c) for c in cells])


def plain_numbers(cells: Sequence[str], missing: frozenset[str]) -> Values | None:
    """Return the numbers that words are, NaN where `missing` has them; None where some word is neither."""
    try:
        values = np.array(list(map(float, cells)))
        if "nan" in missing or not np.isnan(values).any():
            return values
    except ValueError:
        pass
    if "" in missing and (empty := cells.count("")):  # in most tables the only word of cells without a value
        try:
            values = np.array([float(c) if c else math.nan for c in cells])
            if int(np.isnan(values).sum()) == empty:
                return values
        except ValueError:
            pass
    try:
        values = np.array([math.nan if c.strip().lower() in missing else float(c) for c in cells])
    except ValueError:
        return None
    gone = sum(c.strip().lower() in missing for c in cells)
    return values if int(np.isnan(values).sum()) == gone else None  # a word nan that stands for no missing value


def only_digits(cells: Sequence[str], joined: str, missing: frozenset[str]) -> bool:
    """Return whether cells that are numbers, or missing, are written in digits alone."""
    if "." in joined or "-" in joined:
        return False
    return joined.isdecimal() or all(c.strip().isdecimal() or c.strip().lower() in missing for c in cells)


def shows_point(cell: str) -> bool:
    """Return whether the point is a decimal one, and not one between thousands."""
    whole, point, rest = cell.strip().lstrip("+-").partition(".")
    return bool(point) and (len(rest) != 3 or whole in ("", "0") or len(whole) > 3)
