"""Cells that are digits and yet no numbers: postcodes, telephone numbers and identifiers, which arithmetic would spoil."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT = 2**53  # whole numbers up to here are exact as 64-bit floats; larger ones that differ may become equal
_LEADING = re.compile(r"(?:^|\n)[ \t]*(?:0[0-9]|\+)")
_POWERS = 10.0 ** np.arange(1, 17)
_LITERAL = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]{1,3}(?:_[0-9]{3})+(?:\.[0-9]*)?)")
_DIGITS = re.compile(r"\+?[0-9]+")


def may_be_codes(cells: Sequence[str], joined: str, values: NDArray[np.float64]) -> bool:
    """Return whether some of these cells, which are numbers, would lose zeros, a plus sign or digits as such.

    joined: all cells as one string. Cells with a point or an exponent, and negative ones, are no codes.
    """
    if "." in joined or "-" in joined:
        return False
    if bool((values > EXACT).any()):
        return True
    if joined.isdecimal() and len(joined) == len(values) + int(np.searchsorted(_POWERS, values, side="right").sum()):
        return False  # no digit more than the numbers need
    return _LEADING.search("\n".join(cells)) is not None


def code_among(words: Iterable[Any]) -> str | None:
    """Return the first of the words of a column that shows that its words are codes; None where they are none.

    A column holds codes where all of its cells are digits, perhaps behind a plus sign, and one of them begins with a zero or a
    plus sign or has more digits than a number keeps. Cells that a container calls numbers are floats here.
    """
    shown = None
    for word in words:
        if isinstance(word, float):
            if word != int(word) or word < 0:
                return None
            continue
        if not isinstance(word, str) or not _DIGITS.fullmatch(word):
            return None
        if shown is None and is_code(word):
            shown = word
    return shown


def is_code(word: str) -> bool:
    """Return whether digits would be others once they were a number."""
    return len(word) > 1 and (word[0] in "0+" or int(word) > EXACT)


def is_literal(word: str) -> bool:
    """Return whether a word is a number as programs write it, and as tables do not: 1_000, 0x10, 0b11."""
    return _LITERAL.fullmatch(word) is not None
