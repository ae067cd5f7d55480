"""What a sweep is, in the file sweep.json of its folder: the planned jobs of a grid, or what a search draws from."""

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.text import counted, shown_line
from aerun.runs.folder import Folder
from aerun.runs.lock import alone, at_work
from aerun.runs.reuse import remove_parts
from aerun.runs.status import PAUSED, PRUNED
from aerun.settings.naming import job_name, job_name_before
from aerun.settings.overrides import job_command
from aerun.settings.shells import retyped
from aerun.sweep.words import other_settings

FILE = "sweep.json"
HYDRAS = "multirun.yaml"  # the settings of the sweep, as Hydra keeps them
_LONGEST = 255  # bytes of a name of a file
_LOCK = ".lock.sweep"  # held while sweep.json is read and written
_OTHER = {
    "drawn": "draws from another space",
    "fixed": "holds other settings fixed",
    "objectives": "has other objectives",
    "seeds": "has other seeds",
    "constraints": "has other constraints",
    "data": "reads data that have changed since",
}


@dataclass(frozen=True)
class Grid:
    """command: as it was typed. jobs: name of a job's folder -> its overrides; empty where a search draws them as it goes.

    search: what that search is (`Space.about`), empty for a grid. lacking: settings that some jobs do not have and therefore
    do without -> the choices of these jobs.
    """

    command: str
    jobs: Mapping[str, Sequence[str]]
    search: Mapping[str, Any] = field(default_factory=dict)
    lacking: Mapping[str, Sequence[str]] = field(default_factory=dict)
    prune: Mapping[str, Any] = field(default_factory=dict)  # how it is pruned (`Pruning.plain`), empty where it is not

    def save(self, folder: Path) -> None:
        """Write it down, whole or not at all. AerunError where the folder cannot be written."""
        try:
            content = {"command": self.command, "jobs": dict(self.jobs), "search": dict(self.search)}
            content |= {"lacking": dict(self.lacking)} if self.lacking else {}
            content |= {"prune": dict(self.prune)} if self.prune else {}
            Folder(folder).write(FILE, content)
        except OSError as e:
            raise _unwritable(folder, e) from e


def read(folder: Path) -> Grid | None:
    """Return the grid of a sweep's folder, None where it has none. AerunError where it is damaged, or names jobs elsewhere."""
    content = Folder(folder).read(FILE)
    if not isinstance(content.get("jobs"), dict):
        return None
    search = content.get("search") or {}
    if not isinstance(search, dict):
        raise AerunError(f"{folder / FILE}: damaged: its search is no table.")
    for name, typed in content["jobs"].items():
        parts = name.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or "\0" in name or any(len(os.fsencode(part)) > _LONGEST for part in parts):
            raise AerunError(f"{folder / FILE}: damaged: {shown_line(name)[:80]!r} is no name of a job's folder in it.")
        if not isinstance(typed, list):
            raise AerunError(f"{folder / FILE}: damaged: the settings of {shown_line(name)} are no list.")
    jobs = {k: [str(o) for o in v] for k, v in content["jobs"].items()}
    prune = content.get("prune") or {}
    if not isinstance(prune, dict):
        raise AerunError(f"{folder / FILE}: damaged: its pruning is no table.")
    return Grid(_unable_to_act(str(content.get("command", ""))), jobs, search, prune=prune)


def _unable_to_act(command: str) -> str:
    """Return a command as it can be pasted, nothing where it is none of aerun's: each word is quoted as one."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    return shlex.join(words) if words[:1] == ["aerun"] else ""


def job_folder(folder: Path, name: str) -> Path:
    """Return the folder of a job. Raises AerunError where a link leads away from the sweep's."""
    path = folder / name
    for part in (path, *path.parents[: name.count("/")]):
        if part.is_symlink():
            raise AerunError(f"{part}: is a link; a job is not looked for where it leads. Remove it.")
    return path


def name_in(folder: Path, overrides: Sequence[str], known: Grid | None = None) -> str:
    """Return the name of a job's folder in a sweep's, also of a sweep of before, when other jobs could have the same name.

    known: what is written down of the sweep, where that has been read.
    """
    known = known or read(folder)
    if known is not None:
        written = next((n for n, typed in known.jobs.items() if typed == list(overrides)), None)
        if written is not None:
            return written
    name, before = job_name(overrides), job_name_before(overrides)
    if name == before:
        return name
    planned = known is not None and known.jobs.get(before) == list(overrides)
    begun = Folder(folder / before).read("run.json").get("command") == job_command(overrides)
    return before if planned or begun else name


def keep(folder: Path, planned: Grid, extend: bool) -> Grid:
    """Settle the grid of this folder and write it down, while no other process does.

    AerunError where it may not be settled, and where the folder cannot be written.
    """
    for name in planned.jobs:
        job_folder(folder, name)
    settle(folder, planned, extend)  # what is refused leaves nothing behind, not even a lock
    try:
        with alone(folder, _LOCK, wait=True):
            remove_parts(folder, (FILE, HYDRAS))
            grid = settle(folder, planned, extend)
            grid.save(folder)
    except OSError as e:
        raise _unwritable(folder, e) from e
    return grid


def _unwritable(folder: Path, e: OSError) -> AerunError:
    return AerunError(f"cannot write to {folder}: {e.strerror or e}. Choose another place with hydra.sweep.dir=DIR.")


def settle(folder: Path, planned: Grid, extend: bool) -> Grid:
    """Return the grid that this folder is to hold: what was planned, and with `extend` what was planned there before as well.

    AerunError where the folder belongs to another grid and `extend` was not asked for, and where one of them is a search
    and they are not the same; `extend` lets the same search draw from another space.
    """
    before = read(folder)
    if before is None:
        _refuse_runs(folder, planned)
        return planned
    if before.search or planned.search:
        _refuse_other_search(folder, before, planned, extend)
        _refuse_other_pruning(folder, before, planned)
        return planned
    _refuse_taken_names(folder, before, planned)
    _refuse_other_pruning(folder, before, planned)
    if set(before.jobs) == set(planned.jobs):
        return planned
    if not extend:
        new, gone = (len(set(a) - set(b)) for a, b in ((planned.jobs, before.jobs), (before.jobs, planned.jobs)))
        differ = other_settings(planned.jobs, before.jobs)
        raise AerunError(
            f"{folder} belongs to another grid: {counted(new, 'job')} of this command {'is' if new == 1 else 'are'} new, "
            f"{len(planned.jobs) - new} unchanged, {gone} of the sweep's {'is' if gone == 1 else 'are'} not in this command"
            f"{f' ({differ})' if differ else ''}. "
            f"sweep.extend=true adds the new to it, another sweep=NAME leaves it alone. It was: {retyped(before.command)}"
        )
    return replace(planned, jobs={**before.jobs, **planned.jobs})


def _refuse_taken_names(folder: Path, before: Grid, planned: Grid) -> None:
    """Raise AerunError where hydra.sweep.subdir gives a job the folder of another."""
    for name in before.jobs.keys() & planned.jobs.keys():
        if job_name(before.jobs[name]) != job_name(planned.jobs[name]):
            raise AerunError(
                f"{folder / name}: holds another job, {' '.join(before.jobs[name])}: hydra.sweep.subdir does not tell the jobs "
                "of both commands apart. Choose another sweep=NAME."
            )


def _refuse_other_pruning(folder: Path, before: Grid, planned: Grid) -> None:
    """Raise AerunError where what is there was pruned otherwise: what was decided at its rungs would not be at these."""
    if not before.prune or not planned.prune:
        return
    differ = [k for k, v in planned.prune.items() if k != "check" and before.prune.get(k) != v]
    if differ:
        words = "; ".join(f"{k} {before.prune.get(k)} there, {planned.prune[k]} here" for k in differ)
        raise AerunError(
            f"{folder}: its jobs were pruned otherwise ({words}). Choose another sweep=NAME, or leave out search= and "
            f"search.prune.*: what was pruned is then trained to its end. It was: {retyped(before.command)}"
        )


def _refuse_runs(folder: Path, planned: Grid) -> None:
    """Raise AerunError where runs lie in the way of a new sweep."""
    for place in (folder, *(folder / name for name in planned.jobs)):
        if Folder(place).has("config.yaml"):
            raise AerunError(f"{place}: holds a run that is not of this sweep. Choose another place with hydra.sweep.dir=DIR.")


def _refuse_other_search(folder: Path, before: Grid, planned: Grid, extend: bool) -> None:
    was = f"Choose another sweep=NAME. It was: {retyped(before.command)}"
    if not (before.search and planned.search):
        kinds = [f"a {'search' if grid.search else 'grid'}" for grid in (before, planned)]
        raise AerunError(f"{folder} holds {kinds[0]}, and this command is {kinds[1]}. {was}")
    differ = [k for k in planned.search if (planned.search[k] or None) != (before.search.get(k) or None)]
    if not (planned.search.get("data") and before.search.get("data")):
        differ = [k for k in differ if k != "data"]  # nothing is known of the one or the other
    if differ == ["drawn"] and extend:
        return
    if differ:
        words = " and ".join(_OTHER[k] for k in differ)
        more = "sweep.extend=true goes on with it all the same. " if differ == ["drawn"] else ""
        raise AerunError(f"{folder} belongs to another search: this one {words}. {more}{was}")


def outcomes(
    folder: Path, jobs: Mapping[str, Sequence[str]], left_alone: Collection[str] = ()
) -> tuple[list[Any], list[tuple[list[str], str]]]:
    """Return (overrides, results) of every completed job and (overrides, reason) of every other, read from their folders.

    left_alone: names of jobs that nobody was asked to do: those that are not complete are left out, and so are those that
    wait at a rung or were pruned.
    """
    finished, failed = [], []
    prune = grid.prune if (grid := read(folder)) is not None else {}
    for name, typed in (jobs or found_in(folder)).items():
        job_folder(folder, name)
        elsewhere = at_work(folder / name)  # asked first: what ends in between is then read as complete
        results = Folder(folder / name).read()
        status = results.get("status", "not begun")
        if status == "completed":
            finished.append((list(typed), results))
        elif name in left_alone or (prune and status in (PAUSED, PRUNED)):
            continue
        elif elsewhere:
            failed.append((list(typed), "another process is at work on it; the same command again tells how it ended"))
        else:
            failed.append((list(typed), _reason(status, results)))
    return finished, failed


def _reason(status: str, results: Mapping[str, Any]) -> str:
    if status in ("failed", "not begun"):
        return str(results.get("error", status))
    return f"{'stopped before its end' if status == 'running' else status}; the same command goes on with it"


def found_in(folder: Path) -> dict[str, list[str]]:
    """Return the jobs that a search has drawn so far: folders of runs, with the overrides that they were started with."""
    jobs = sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())
    paths = [p for p in jobs if Folder(p).has("results.json")]
    return {p.name: shlex.split(str(Folder(p).read("run.json").get("command", f"aerun {p.name}")))[1:] for p in paths}
