"""Dates as people write them."""

import re
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_CLOCK = r"(?:[T\s,]+(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
_ZONE = r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
_DIGITS = re.compile(rf"(?P<a>\d{{1,4}})(?P<sep>[/.\-])(?P<b>\d{{1,2}})(?P=sep)(?P<c>\d{{1,4}}){_CLOCK}{_ZONE}")
_NAMED = (
    re.compile(rf"(?P<day>\d{{1,2}})[\s.\-]+(?P<month>[A-Za-z]{{3,9}})\.?[\s,\-]+(?P<year>\d{{4}}){_CLOCK}{_ZONE}"),
    re.compile(rf"(?P<month>[A-Za-z]{{3,9}})\.?\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}}){_CLOCK}{_ZONE}"),
)
ORDERS = ("dmy", "mdy")


def seconds(word: str, order: str = "") -> float | None:
    """Return a date, also with a time of day, as seconds since 1970; None where the word is no date.

    ISO 8601, 2024/05/31, 31.05.2024, 31 May 2024, and 31/05/2024 by `order` dmy or mdy; UTC where it names no zone.
    """
    moment = _iso(word)
    return moment if moment is not None else _other(word, order)


def _iso(word: str) -> float | None:
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _other(word: str, order: str) -> float | None:
    if match := _DIGITS.fullmatch(word):
        a, b, c = match["a"], match["b"], match["c"]
        if len(a) == 4 and len(c) <= 2:
            return _moment(match, int(a), int(b), int(c))
        if len(c) != 4 or len(a) > 2:
            return None
        day_first = match["sep"] == "." or order == "dmy"
        if not day_first and order != "mdy":
            return None
        day, month = (a, b) if day_first else (b, a)
        return _moment(match, int(c), int(month), int(day))
    for pattern in _NAMED:
        if match := pattern.fullmatch(word):
            name = match["month"].lower()
            month = next((i for i, m in enumerate(_MONTHS, 1) if name in (m, m[:3], m[:4] if i == 9 else m)), 0)
            return _moment(match, int(match["year"]), month, int(match["day"])) if month else None
    return None


def _moment(match: re.Match[str], year: int, month: int, day: int) -> float | None:
    hour = int(match["h"] or 0)
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"][0] in "pP" else 0)
    try:
        moment = datetime(year, month, day, hour, int(match["m"] or 0), int(match["s"] or 0), tzinfo=_zone(match["zone"]))
        return moment.timestamp() + float(f"0.{match['f'] or 0}")
    except ValueError:
        return None


def _zone(word: str | None) -> timezone:
    if word is None or word[0] not in "+-":
        return UTC
    digits = word[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(away if word[0] == "+" else -away)
