"""Words of a column that few rows have, and ids: read as one word, or as one of some groups."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from aerun.core.checks import integer

OTHER = "other"  # the word that stands for all the rest


@dataclass(frozen=True)
class Grouping:
    """What becomes of words.

    rare: those of fewer training rows are `other`; most: so are all but so many of the most frequent ones, and words that
    training has not seen; hash: columns of too many words to be classes are read as so many groups of words. None: they stay.
    """

    rare: int | None = None
    most: int | None = None
    hash: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("rare", self.rare), ("most", self.most), ("hash", self.hash)):
            if value is not None:
                integer(f"dataset.{name}", value, 1 if name == "most" else 2)

    def kept(self, counts: Mapping[str, int]) -> list[str]:
        """Return the words that stay, sorted; counts: how many training rows have each word."""
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        stay = [word for word in ranked if counts[word] >= (self.rare or 0)]
        return sorted(stay[: self.most])

    @property
    def words(self) -> str:
        """Return the settings that join words, as they are typed."""
        named = (("rare", self.rare), ("most", self.most))
        return " ".join(f"dataset.{name}={value}" for name, value in named if value is not None)


def group_of(word: str, groups: int) -> int:
    """Return the group (0, 1, ...) of a word, the same on every machine: Python's own hash is another one in each process."""
    return int.from_bytes(hashlib.md5(word.encode(), usedforsecurity=False).digest()[:8], "big") % groups
