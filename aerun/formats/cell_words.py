"""What one cell says: as a word, a number or a date."""

from datetime import UTC, datetime
from typing import Any

from aerun.formats.date_words import seconds
from aerun.formats.number_words import is_number, value_of
from aerun.formats.plain_cells import Moment


def spelt(word: Any) -> str:
    """Return a cell as a word: numbers as short as they can be, dates in ISO 8601."""
    if isinstance(word, Moment):
        return datetime.fromtimestamp(word.seconds, UTC).replace(tzinfo=None).isoformat()
    if isinstance(word, float):
        return repr(int(word)) if word == int(word) else repr(word)
    return str(word)


def number_of(word: Any, decimal: str) -> tuple[float, str] | None:
    """Return number and percent or currency sign of a cell; None where it is none."""
    if isinstance(word, str):
        return value_of(word, decimal)
    return (word, "") if isinstance(word, float) else None


def moment_of(word: Any, order: str) -> float | None:
    """Return a cell as a date, in seconds since 1970; None where it is none."""
    if isinstance(word, Moment):
        return word.seconds
    return seconds(word, order) if isinstance(word, str) and not is_number(word) else None
