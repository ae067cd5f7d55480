"""What a command changes of a sweep that is there already: what is new, stale, stopped, failed and unchanged in it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError, nearest
from aerun.core.text import counted
from aerun.runs.lock import at_work
from aerun.runs.status import PAUSED, PRUNED
from aerun.sweep.grid import Grid, read
from aerun.sweep.idle import GridJob
from aerun.sweep.job import DONE, RESUME, State, state
from aerun.sweep.words import listed

TO_DO = ("new", "waiting", "stale", "failed", "stopped", "pruned", "asked")
NEW, WAITING, STALE, FAILED, STOPPED, CUT, ASKED = TO_DO
RUNNING, UNCHANGED = "running", "unchanged"
_MEANS = {
    NEW: "added to the sweep",
    WAITING: "planned before and not begun",
    STALE: "trained anew",
    FAILED: "begins anew",
    STOPPED: "goes on",
    CUT: "goes on, where it is not pruned again",
    ASKED: "trained no further; the answers are asked for anew",
    RUNNING: "another process is at work on it",
    UNCHANGED: "complete, and left as it is",
}
_SHOWN = 3  # reasons of a kind


@dataclass(frozen=True)
class Change:
    """kind: a key of `_MEANS`. why: what of the job is not as it was, empty where nothing is."""

    kind: str
    why: str = ""


def changes_of(place: Path | None, jobs: Mapping[str, GridJob], here: bool) -> dict[str, Change]:
    """Return for each job of a grid what is to be done, by its name. place: the sweep's folder, None for one that is new.

    here: the jobs run on this machine, so that their data are looked at too.
    """
    before = read(place) if place is not None and place.is_dir() else None
    if place is None or before is None:
        return dict.fromkeys(jobs, Change(NEW))
    states = {name: state(place / name, job.config, here) for name, job in jobs.items()}
    return {name: _change(place / name, found, name in before.jobs) for name, found in states.items()}


def _change(path: Path, found: State, known: bool) -> Change:
    if found.left != DONE and at_work(path):
        return Change(RUNNING)
    if found.status is None:
        return Change(WAITING if known else NEW)
    if found.left == DONE:
        return Change(UNCHANGED)
    if found.left == RESUME:
        kind = CUT if found.status in (PAUSED, PRUNED) else STOPPED
        return Change(ASKED if found.status == "completed" else kind, found.why)
    return Change(STALE if found.why else FAILED if found.status == "failed" else STOPPED, found.why)


def table(folder: Path, planned: Grid, kept: Grid, changes: Mapping[str, Change], chosen: Collection[str]) -> list[str]:
    """Return in lines what becomes of the jobs of a command, with the first of each kind; none where the sweep is new.

    kept: the grid with what was planned before. chosen: the jobs that are to be done.
    """
    others = len(kept.jobs) - len(planned.jobs)
    if not others and all(change.kind == NEW for change in changes.values()):
        return []
    common = set.intersection(*(set(typed) for typed in planned.jobs.values())) if len(changes) > 1 else set()
    lines = [f"{folder} is there already: {counted(len(changes), 'job')} of this command, before anything trains"]
    for kind, means in _MEANS.items():
        names = [name for name, change in changes.items() if change.kind == kind]
        if names:
            words = [" ".join(o for o in planned.jobs[name] if o not in common) or name for name in names]
            alone = "" if kind == UNCHANGED or names[0] in chosen else " (left alone: sweep.only)"
            lines.append(f"  {kind:<9} {len(names):>5}  {means}{alone}{'' if kind == UNCHANGED else f': {listed(words)}'}")
            lines += [f"{'':19}{line}" for line in _reasons(changes[name].why for name in names)]
    if others:
        lines.append(f"  {'others':<9} {others:>5}  not in this command, and left as they are")
    return lines


def _reasons(words: Iterable[str]) -> list[str]:
    """Return different reasons in lines, each once."""
    different = [w for w in dict.fromkeys(words) if w]
    more = [f"and {len(different) - _SHOWN} more reasons"] if len(different) > _SHOWN else []
    return different[:_SHOWN] + more


def chosen_of(only: Any, changes: Mapping[str, Change]) -> set[str]:
    """Return the names of the jobs that are to be done: those of the kinds `sweep.only` names, all where it names none.

    Raises AerunError for what is no kind.
    """
    kinds = [only] if isinstance(only, str) else only
    if kinds is None:
        return set(changes)
    if not isinstance(kinds, Sequence) or not kinds:
        raise AerunError(f"sweep.only={only}: {', '.join(TO_DO)}, or a list of them, such as [failed,stopped].")
    for kind in map(str, kinds):
        if kind not in TO_DO:
            raise AerunError(f"sweep.only={kind}: must be of {', '.join(TO_DO)}{nearest(kind, TO_DO)}.")
    return {name for name, change in changes.items() if change.kind in kinds}
