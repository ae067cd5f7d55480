"""How far a grid is, over all of its jobs and processes: how many are done, and how long the rest will take at this pace."""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from aerun.runs.folder import Folder
from aerun.runs.status import PAUSED, PRUNED
from aerun.sweep.grid import read
from aerun.sweep.standing import AT_RUNG, DONE, FAILED, Standing, line, standings

_BEGUN = "AERUN_SWEEP"  # the sweep's folder, when this command began, and how many jobs were done then; also for its workers
_MOST = 1_000  # jobs: beyond, to look into every folder after every job would take long
_ENDED = ("completed", "failed", PAUSED, PRUNED)
_FEW = 20  # jobs, after each of which it is looked
_PAUSE = 20.0  # times what looking took, until it is looked again where there are more: it would take longer than short jobs do
_known: dict[str, Standing] = {}  # jobs that are done
_next = [0.0]  # when it is looked again


def begin(folder: Path, jobs: Iterable[str]) -> None:
    """Keep how far the grid is as the command begins."""
    _known.clear()
    _next[0] = 0.0
    done = sum(Folder(folder / name).read().get("status") in _ENDED for name in jobs)
    os.environ[_BEGUN] = json.dumps([str(folder.resolve()), time.time(), done])


def end() -> None:
    """Drop what was remembered."""
    os.environ.pop(_BEGUN, None)


def pace() -> str:
    """Return `3 of 24 jobs done, 21 waiting, about 5 min left`, the line of `aerun status`.

    Empty outside of a grid, at its end, where it has very many jobs, and shortly after it was told for many.
    """
    if _BEGUN not in os.environ or time.monotonic() < _next[0]:
        return ""
    looked, (where, began, before) = time.monotonic(), json.loads(os.environ[_BEGUN])
    grid = read(Path(where))
    if grid is None or len(grid.jobs) > _MOST:
        return ""
    found = standings(Path(where), grid, _known, brief=True)
    if len(found) > _FEW:
        _next[0] = time.monotonic() + _PAUSE * (time.monotonic() - looked)
    ended, total = sum(one.state in (DONE, FAILED, *AT_RUNG) for one in found), len(found)
    if ended <= before or ended >= total:
        return ""
    return line(found, (time.time() - began) / (ended - before) * (total - ended))
