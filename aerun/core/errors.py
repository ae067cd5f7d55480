"""Errors written for the person at the command line: what was written, what is wrong, what would work."""

import difflib
import errno
from collections.abc import Iterable

from aerun.core.exits import STOPPED

# What a person can do about a place that is full.
NO_ROOM = {
    errno.ENOSPC: "The disk is full, or has no room for more files (df, df -i). Make room, or choose another place.",
    errno.EDQUOT: "The quota is used up. Make room, or choose another place.",
}


class AerunError(Exception):
    """A mistake that the user can correct: shown as one or two lines, exit code 2."""


class FolderInUseError(AerunError):
    """A run's folder that may not be used: nothing at all is written there, the log neither."""


class TrainingError(Exception):
    """Training could not go on (loss not finite, disk full): shown in words, exit code 1; the run's folder is kept."""


class StoppedError(BaseException):
    """The run was stopped from outside: Ctrl-C (exit code 130), SIGTERM (143), SIGHUP (129), a cluster's time limit (124).

    Not an Exception, so that nothing swallows it.
    """

    def __init__(self, code: int) -> None:
        super().__init__(STOPPED.get(code, "terminated"))
        self.code = code
        self.folder: str | None = None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` (nearest: WORD)` for the known word that is nearest to `word` in letters of any case, or an empty string."""
    spelt = {k.lower(): k for k in known}
    hit = difflib.get_close_matches(word.lower(), list(spelt), n=1, cutoff=0.5)
    return f" (nearest: {spelt[hit[0]]})" if hit else ""


def line_of(e: BaseException) -> str:
    """Return the first line of an error's message, or the error's type where the message is empty."""
    return (str(e).strip() or type(e).__name__).splitlines()[0]
