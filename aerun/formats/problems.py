"""What keeps a table from being read, each problem with the settings that would mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aerun.core.errors import AerunError

Settings = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class Problem:
    """What is in the way of reading a file.

    words: what is wrong and what would work. settings: keys of `dataset` that would read the file, with their values; lists are
    added to what is set. otherwise: those in their place, where one that is no list is set already.
    """

    words: str
    settings: Settings = field(default_factory=dict)
    otherwise: Settings = field(default_factory=dict)


def unclear(words: str, **settings: str | list[str]) -> "UnclearError":
    """Return the error of one problem."""
    return UnclearError([Problem(words, settings)])


class UnclearError(AerunError):
    """Several columns or one cannot be read as they are: the first problem in words, and how many more there are."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 1
        how = ": `aerun data` names all, and a command that reads" if self.problems[0].settings else ""
        rest = f" {more} more problem{'s'[: more != 1]}{how}." if more else ""
        super().__init__(self.problems[0].words + rest)
