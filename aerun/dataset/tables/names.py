"""Names of columns as settings have them."""

from collections.abc import Sequence

from aerun.core.errors import AerunError

Name = str | int | float | bool  # words that Hydra reads as numbers or truth values are words all the same
Names = Name | Sequence[Name]


def names_in(key: str, value: Names) -> list[str]:
    """Return the columns that a setting names, a word or a list. AerunError for one that is named twice."""
    names = [str(value)] if isinstance(value, Name) else [str(v) for v in value]
    if len(set(names)) < len(names):
        raise AerunError(f"{key}={names}: names a column twice.")
    return names
