"""The words that were typed, made ready for Hydra: flags that it has, -m where it is a sweep, quotes and deleted groups."""

import re
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser

from aerun.core.errors import AerunError, nearest
from aerun.core.text import note
from aerun.settings.overrides import config_of, spelt_out
from aerun.settings.replaced import replaced
from aerun.settings.sources import source_of, with_whole_path
from aerun.sweep.mode import as_multirun

FRESH_FLAG = "--fresh"


def made_ready(argv: Sequence[str]) -> list[str]:
    """Return a command line as Hydra reads it, and say what is read for a deleted or empty group.

    Raises AerunError for flags that there are not, and for words that Hydra could not read.
    """
    _refuse_unknown_flags(argv)
    typed = as_multirun(with_whole_path(argv))
    words = spelt_out(typed)
    for word, read in zip(typed, words, strict=True):
        if word != read and (word.startswith("~") or word.endswith("=null")):
            note(f"{word}: read as {read}")
    return words


def note_replaced(argv: Sequence[str]) -> None:
    """Say what `--cfg job` shows and a run leaves out."""
    typed = get_args_parser().parse_args(list(argv))
    if typed.cfg in ("job", "all"):
        for line in replaced(config_of(typed.overrides, source_of(argv)).hydra).values():
            note(f"{line} when it is run")


def _refuse_unknown_flags(argv: Sequence[str]) -> None:
    known = get_args_parser()._option_string_actions
    for word in argv:
        if word.startswith("="):
            raise AerunError(f"{word}: a setting is given as KEY=VALUE; see aerun --help.")
        flag = word.partition("=")[0]
        if flag.startswith("-") and flag not in known and not re.match(r"-[a-z]\S", flag):
            raise AerunError(
                f"{flag}: no such flag{nearest(flag, [*known, FRESH_FLAG])}. Settings are given as KEY=VALUE; see aerun --help."
            )
