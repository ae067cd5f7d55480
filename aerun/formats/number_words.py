"""Numbers as people write them: decimal comma, grouped thousands, percent and currency signs."""

import math
import re
from collections.abc import Sequence

from aerun.formats.codes import code_among

_CURRENCY = r"[$€£¥₹]|USD|EUR|GBP|CHF|JPY"
_BEFORE = re.compile(rf"([+-]?)\s*({_CURRENCY})\s*(.+)")
_BEHIND = re.compile(rf"(.+?)\s*({_CURRENCY})")
_SPACES = " \u00a0\u202f\u2009"


def _pattern(decimal: str, group: str) -> re.Pattern[str]:
    whole = rf"[1-9]\d{{0,2}}(?:([{group}'’{_SPACES}])\d{{3}})(?:\1\d{{3}})*|\d+"
    return re.compile(rf"[+-]?(?:(?:{whole})(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?")


_PATTERNS = {".": _pattern(r"\.", ","), ",": _pattern(",", ".")}
_GROUPS = {d: str.maketrans(dict.fromkeys(f"{g}'’{_SPACES}", "")) for d, g in ((".", ","), (",", "."))}


def undressed(word: str) -> tuple[str, str]:
    """Return the percent or currency sign of a word (or none), and the word without it."""
    word = word.strip().replace("\u2212", "-")
    if word.endswith(("%", "\u066a")):
        return "%", word[:-1].rstrip()
    if match := _BEFORE.fullmatch(word):
        return match[2], match[1] + match[3]
    if match := _BEHIND.fullmatch(word):
        return match[2], match[1]
    return "", word


def number_in(word: str, decimal: str) -> float | None:
    """Return the number that a word without signs is, where `decimal` is the decimal sign; None where it is none.

    The other of point and comma, spaces and apostrophes may stand between groups of three digits.
    """
    if decimal == "." and "_" not in word:
        try:
            return float(word)
        except ValueError:
            pass
    if not _PATTERNS[decimal].fullmatch(word):
        return None
    return float(word.translate(_GROUPS[decimal]).replace(",", "."))


def decimal_of(word: str) -> str | None:
    """Return which decimal sign a word without its percent or currency sign shows: `.`, `,`, `either` (1,234), `` (12); None.

    It is no number.
    """
    point, comma = number_in(word, "."), number_in(word, ",")
    if point is None or comma is None:
        return None if point is comma else ("," if point is None else "." if "." in word or "," in word else "")
    return "" if point == comma else "either"


def value_of(word: str, decimal: str) -> tuple[float, str] | None:
    """Return number and sign of a word, percent as a fraction (45% is 0.45); None where it is no number."""
    sign, body = undressed(word)
    value = number_in(body, decimal)
    if value is None or math.isnan(value):
        return None
    return (value / 100 if sign == "%" else value), sign


def is_number(word: str) -> bool:
    """Return whether a cell holds a plain number (and not a missing value)."""
    if "_" in word:
        return False
    try:
        return not math.isnan(float(word))
    except ValueError:
        return False


def canonical(word: str) -> str | float:
    """Return what words of one value share, though they are written otherwise: 1 and 1.0, True and TRUE; else the word.

    Codes in digits, such as 007, are what they are: see `aerun.formats.codes`.
    """
    if is_number(word) and code_among([word]) is None:
        return float(word)
    return word.lower() if word.lower() in ("true", "false") else word


def matching(word: object, words: Sequence[str]) -> str | None:
    """Return the one of `words` that `word` means: the same, else the only one of the same value; None where there is none."""
    spelt = str(word)
    if spelt in words:
        return spelt
    alike = [w for w in words if canonical(w) == canonical(spelt)]
    return alike[0] if len(alike) == 1 else None
