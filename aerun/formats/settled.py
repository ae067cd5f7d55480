"""Columns of so many different words that these are kept as the dates or numbers that they mean."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aerun.formats.cell_words import moment_of, number_of
from aerun.formats.date_words import ORDERS
from aerun.formats.number_words import decimal_of, undressed
from aerun.formats.plain_cells import Moment


@dataclass(frozen=True)
class Settled:
    """What all words of a column have meant so far.

    kind: number or date. detail: percent or currency sign of numbers, order of day and month of dates, or empty. decimal: of
    numbers, their decimal sign; auto: words with a comma are not read, nor those with a point unless `point`, a word that shows
    that it is a decimal one, says so. example: a word that shows the detail.
    """

    kind: str
    detail: str = ""
    decimal: str = "."
    point: str = ""
    example: str = ""

    def read(self, word: Any) -> float | None:
        """Return the number, or seconds since 1970, that a word means; None where it is no such thing."""
        if self.kind == "date":
            return moment_of(word, self.detail)
        if self.decimal == "auto" and isinstance(word, str) and ("," in word or ("." in word and not self.point)):
            return None
        number = number_of(word, "." if self.decimal == "auto" else self.decimal) if isinstance(word, str) else None
        return number[0] if number is not None and number[1] == self.detail else None

    def shown(self, value: float) -> Any:
        """Return a word for a value that has been read."""
        return Moment(value) if self.kind == "date" else value


def settled(words: Iterable[Any], known: str, decimal: str, dates: str, codes: bool) -> Settled | None:
    """Return what all words mean, in one way alone; None where it is not certain.

    known: the format of the column, or empty. decimal, dates: as they are set, or auto. codes: may digits be words?
    """
    kind, _, detail = known.partition(" ")
    found = None if kind == "number" else _dates(words, detail or ("" if dates == "auto" else dates))
    return found if found is not None or kind == "date" else _numbers(words, decimal, codes)


def _dates(words: Iterable[Any], order: str) -> Settled | None:
    fitting = [o for o in ("", *([order] if order else ORDERS)) if all(moment_of(w, o) is not None for w in words)]
    if "" in fitting:
        return Settled("date")
    if len(fitting) != 1:
        return None
    other = ORDERS[1 - ORDERS.index(fitting[0])]
    return Settled("date", fitting[0], example=next((w for w in words if moment_of(w, other) is None), next(iter(words))))


def _numbers(words: Iterable[Any], decimal: str, codes: bool) -> Settled | None:
    if not all(isinstance(w, str) for w in words) or (codes and all(w.lstrip("+").isdecimal() for w in words)):
        return None
    point = "" if decimal != "auto" else next((w for w in words if decimal_of(undressed(w)[1]) == "."), "")
    first = next(iter(words))
    found = Settled("number", undressed(first)[0], decimal, point, first)
    return found if all(found.read(w) is not None for w in words) else None
