"""How far a grid is, over all of its jobs and processes: how many are done, and how long the rest will take at this pace."""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from aerun.core.text import span
from aerun.runs.folder import Folder
from aerun.sweep.grid import read

_BEGUN = "AERUN_SWEEP"  # the sweep's folder, when this command began, and how many jobs were done then; also for its workers
_MOST = 1_000  # jobs: beyond, to look into every folder after every job would take long
_ENDED = ("completed", "failed")


def begin(folder: Path, jobs: Iterable[str]) -> None:
    """Keep how far the grid is as the command begins."""
    done = _done(folder, jobs)
    os.environ[_BEGUN] = json.dumps([str(folder.resolve()), time.time(), done])


def end() -> None:
    """Drop what was remembered."""
    os.environ.pop(_BEGUN, None)


def pace() -> str:
    """Return `3 of 24 jobs done, about 5 min left`; empty outside of a grid, at its end, and where it has very many jobs."""
    if _BEGUN not in os.environ:
        return ""
    where, began, before = json.loads(os.environ[_BEGUN])
    grid = read(Path(where))
    if grid is None or len(grid.jobs) > _MOST:
        return ""
    done, total = _done(Path(where), grid.jobs), len(grid.jobs)
    if done <= before or done >= total:
        return ""
    left = (time.time() - began) / (done - before) * (total - done)
    return f"{done} of {total} jobs done, about {span(left)} left"


def _done(folder: Path, jobs: Iterable[str]) -> int:
    return sum(Folder(folder / name).read().get("status") in _ENDED for name in jobs)
