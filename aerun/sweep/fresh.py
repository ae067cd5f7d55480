"""`aerun -m ... --fresh`: what aerun wrote in a sweep's folder is removed before the sweep begins."""

from contextlib import ExitStack
from pathlib import Path

from aerun.core.errors import FolderInUseError
from aerun.runs import files
from aerun.runs.contents import RUNGS
from aerun.runs.lock import alone
from aerun.runs.reuse import clear
from aerun.sweep.billed import FILE as BILL
from aerun.sweep.budget import FILE as BUDGET
from aerun.sweep.grid import FILE, HYDRAS, found_in, read
from aerun.sweep.optuna import DATABASE
from aerun.sweep.study import LOCK


def begin_anew(folder: Path) -> None:
    """Remove the runs of a sweep's jobs, its plan and its study, and no file of others; nothing where there is no sweep.

    Raises FolderInUseError where another process is at work on it.
    """
    grid = read(folder) if folder.is_dir() else None
    if grid is None:
        return
    # deferred: completion needs no torch
    from aerun import pictures

    with ExitStack() as locks:
        jobs = sorted(name for name in {*grid.jobs, *found_in(folder)} if (folder / name).is_dir())
        free = [locks.enter_context(alone(folder, LOCK)), *(locks.enter_context(alone(folder / name)) for name in jobs)]
        if not all(free):
            raise FolderInUseError(f"{folder}: another process is at work on this sweep; nothing was removed.")
        for name in jobs:
            clear(folder / name, pictures.names())
        for name in (*DATABASE, HYDRAS, BILL, BUDGET, RUNGS, FILE):
            files.remove(folder, name)
    for name in jobs:
        files.remove_empty(folder, name)
