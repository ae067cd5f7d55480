"""What became of a run, marked in its folder however it ends: for one run and for several that are trained as one."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aerun.core.errors import NO_ROOM, StoppedError, TrainingError, line_of
from aerun.runs.folder import Folder

PAUSED, PRUNED = "paused", "pruned"  # a job of a sweep that waits at a rung, and one that nobody goes on with


class Clock:
    """Seconds of runs that are trained together: each has its share, and what it had spent before it was interrupted."""

    def __init__(self, folders: Sequence[Folder], resume: bool) -> None:
        self.began = time.perf_counter()
        self.before = {f.path: float(f.read().get("seconds") or 0.0) if resume else 0.0 for f in folders}

    def seconds(self, folder: Folder) -> float:
        """Return the seconds that the run in this folder has taken so far."""
        return self.before[folder.path] + (time.perf_counter() - self.began) / len(self.before)


@contextmanager
def marked(folders: Sequence[Folder], clock: Clock) -> Iterator[None]:
    """Mark in each folder what ends its run early, and raise it again.

    Of several runs that fail as one, each goes on by itself.
    """

    def mark(status: str, **values: str) -> None:
        for folder in folders:
            folder.mark(status, **values, seconds=clock.seconds(folder))

    try:
        yield
    except StoppedError as e:
        if len(folders) == 1:
            e.folder = str(folders[0].path)
        mark(str(e))
        raise
    except SystemExit:  # A cluster's signal handler raises it, and starts this job again.
        mark("stopped before its end")
        raise
    except Exception as e:
        if len(folders) > 1:
            mark("running")
            raise
        full = _no_room(e)
        what = f"cannot write to {folders[0].path}: {full} The same command again goes on with what is there."
        error: Exception = TrainingError(what) if full else e
        mark("failed", error=f"{type(error).__name__}: {error}")
        raise error from e.__cause__


def mark_trained(folder: Folder, clock: Clock, error: Exception | None, attempt: str) -> None:
    """Mark how the training of one among several ended. A job that is trained stays `running` until it is tested.

    attempt: the command that tried, so that its own job does not try once more where that failed.
    """
    folder.mark("running", seconds=clock.seconds(folder))
    if error is not None:
        folder.mark("failed", error=str(error), attempt=attempt)


def mark_refused(folder: Folder, error: Exception) -> None:
    """Mark a job of a sweep that failed, also where that was before its folder was opened."""
    folder.mark("failed", error=str(error) or line_of(error))


def mark_pruned(folder: Folder) -> None:
    """Mark a job of a sweep that was paused, and with which nobody goes on."""
    folder.mark(PRUNED)


def _no_room(e: BaseException | None) -> str:
    """Return what to do where a full disk (or quota) was the cause, as torch wraps it in its own errors; else nothing."""
    while e is not None:
        if isinstance(e, OSError) and e.errno in NO_ROOM:
            return NO_ROOM[e.errno]
        e = e.__cause__ or e.__context__
    return ""
