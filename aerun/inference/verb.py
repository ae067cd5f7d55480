"""What a verb is. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace

    from aerun.inference.model import Model

Answer = Mapping[str, Any]
Flag = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Verb:
    """A verb of the command line: what it reads, what it answers, and how.

    reads: samples (FILE... of the kind the run was trained on), codes, pairs (two files), packed (of compress), or nothing.
    answers: samples, codes, rows or packed. run: the answer to one piece, arrays by name. example: what stands behind `aerun
    NAME RUN`. keeps_cells: its answer is the file itself, whose rows come with their cells as they are written.
    """

    line: str
    about: str
    example: str
    reads: str
    answers: str
    run: "Callable[[Model, Any, Namespace], Answer]"
    flags: tuple[Flag, ...] = ()
    keeps_cells: bool = False
