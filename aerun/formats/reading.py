"""How a table is read, and the names of its columns."""

from dataclasses import dataclass

from aerun.core.errors import AerunError, nearest
from aerun.formats.column import duplicates


@dataclass(frozen=True)
class Reading:
    """How files are read. header: auto, true or false. text: columns whose cells are words, whatever they look like.
    drop: columns left out; with `loose`, those that are not there are no mistake.
    """

    delimiter: str
    header: str
    encoding: str
    text: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()
    loose: bool = False


def checked_names(file: str, names: list[str], reading: Reading) -> list[str]:
    """The names, unnamedN for the N-th where it has none. AerunError for one that occurs twice or has to be dropped."""
    named = [name or f"unnamed{i}" for i, name in enumerate(names, 1)]
    if twice := duplicates(named):
        raise AerunError(f"{file}: two columns are named '{twice[0]}'.")
    for place, (name, given) in enumerate(zip(named, names, strict=True), 1):
        if not given and name not in reading.drop:
            raise AerunError(
                f"{file}: column {place} has no name. Name it, or dataset.drop=[{name}] (row numbers, as pandas writes them)."
            )
    for name in () if reading.loose else sorted(reading.drop):
        if name not in named:
            raise AerunError(f"dataset.drop: {file} has no column '{name}'{nearest(name, named)}.")
    return named
