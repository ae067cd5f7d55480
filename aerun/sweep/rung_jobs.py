"""The jobs of a pruned sweep: each trains to its first rung at its turn, and whoever has come to a rung looks who goes on.

So there is no process that leads: several workers and machines of a cluster do the same, and what they know is in the folders
of the jobs. One after the other, nobody need hurry: it is decided at a rung when all are there.
"""

import logging
import math
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from aerun.core.errors import AerunError, line_of
from aerun.core.text import say
from aerun.runs.folder import Folder
from aerun.runs.lock import alone
from aerun.runs.log import log_into
from aerun.runs.status import PRUNED, mark_pruned, mark_refused
from aerun.settings.overrides import job_command
from aerun.sweep import budget, rules
from aerun.sweep.grid import found_in, job_folder, read
from aerun.sweep.pruning import Pruning
from aerun.sweep.rules import Member, Unit
from aerun.sweep.rungs import decides, member, table, units_of, whole_epochs, write

log = logging.getLogger("aerun")

_LOCK = ".lock.rungs"  # held while it is decided who goes on


class Step(NamedTuple):
    """A job that is to train up to a level."""

    name: str
    level: int


class Until(NamedTuple):
    """A job that trains up to a level at its turn."""

    sweep: Path
    name: str
    level: int
    pruning: Pruning

    @property
    def pause(self) -> Any:
        """Return what tells its training where to stop for now."""
        return pause_of(self.pruning, self.level)

    def there(self) -> bool:
        """Return whether it is there already, and waits or was pruned since."""
        return rules.reached(member(self.sweep, self.name, self.pruning), self.level, self.pruning)


class Pruned(float):
    """What a pruned job of a search comes to: its figure at its last rung. curve: epochs -> figure, of all its rungs."""

    curve: Mapping[int, float]


def pruned_value(sweep: Path, name: str, pruning: Pruning) -> float:
    """Return what a sweeper is told of a job that is not at its end: NaN, but to a search what a pruned one came to."""
    results = Folder(job_folder(sweep, name)).read()
    if not pruning.searched or results.get("status") != PRUNED:
        return math.nan
    one = member(sweep, name, pruning)
    found = Pruned(one.values[max(one.values)])
    whole = whole_epochs(job_folder(sweep, name))
    found.curve = {pruning.epochs(rung, whole): v for rung, v in sorted(one.values.items())}
    return found


def pause_of(pruning: Pruning, level: int) -> Any:
    """Return what tells a training where to stop for now, None where it goes to its end."""
    return partial(pruning.epochs, level) if level < pruning.end else None


def first_level(sweep: Path, name: str, typed: Sequence[str], pruning: Pruning) -> int:
    """Return the level to which a job with these overrides trains at its turn."""
    if not decides(typed, pruning):
        return pruning.end
    grid = read(sweep)
    known = units_of(grid.jobs if grid is not None else {}, pruning)
    return next((first for first, names in known if name in names), rules.dealt(0, name, pruning))  # a search has just drawn it


def note(sweep: Path, name: str, pruning: Pruning) -> Member:
    """Write down how far a job has come, and return it."""
    one = member(sweep, name, pruning)
    write(sweep, one)
    return one


def lead(sweep: Path, pruning: Pruning, last: bool = False, only: str | None = None) -> None:
    """Train what is to go on, one after the other, until nothing is.

    last: all jobs have had their turn, so that the best goes on where none ended. only: this job alone goes on here.
    """
    while True:
        with ExitStack() as kept:
            step = _next(sweep, pruning, kept, last, only)
            if step is None:
                return
            if not go_on(sweep, step, pruning):
                return


def _next(sweep: Path, pruning: Pruning, kept: ExitStack, last: bool, only: str | None) -> Step | None:
    """Return the job that goes on next, which this process then has to itself, as it is written down; None: there is none."""
    with alone(sweep, _LOCK, wait=True):
        units = _decided(sweep, pruning)
        for unit, one in rules.waiting(units, pruning):
            if only in (None, one.name) and kept.enter_context(alone(job_folder(sweep, one.name))):
                return Step(one.name, unit.to)
        found = None if pruning.at_once else rules.promoted(units, pruning, last)
        found = found or (rules.best_waiting(units, pruning) if last else None)
        if found is None:
            return None
        unit, level = found
        for one in unit.members:
            write(sweep, replace(one, to=level, stopped=None))
        free = (one for one in unit.members if not rules.reached(one, level, pruning))
        name = next((one.name for one in free if kept.enter_context(alone(job_folder(sweep, one.name)))), None)
    return Step(name, level) if name is not None else None


def _decided(sweep: Path, pruning: Pruning) -> list[Unit]:
    """Return all settings, after it was said of those at a rung whether they go on, where that is said at once."""
    units = table(sweep, pruning)
    while pruning.at_once and (found := rules.undecided(units, pruning)):
        unit, rung = found
        on = rules.goes_on(units, unit, rung, pruning)
        for one in unit.members:
            write(sweep, replace(one, to=rung + 1) if on else replace(one, stopped=rung))
            if not on:
                say(f"\t   {label(sweep, one.name)}: pruned")
                mark_pruned(Folder(job_folder(sweep, one.name)))
        units = table(sweep, pruning)
    return units


def go_on(sweep: Path, step: Step, pruning: Pruning) -> bool:
    """Train a job up to a level, from where it is and with the settings in its folder. What fails is marked and told.

    Returns whether there was time for it, where the sweep has a budget.
    """
    path, called = job_folder(sweep, step.name), label(sweep, step.name)
    to = "its end" if step.level == pruning.end else f"rung {step.level + 1} of {pruning.end}"
    pause = pause_of(pruning, step.level)
    with budget.begun(Folder(path).config(), path, True, pause) as why:
        if why:
            say(f"\t   {called}: does not go on: {why}")
            return False
        say(f"\t   {called}: goes on to {to}")
        _trained(sweep, step, pruning, called, pause)
    return not budget.over()


def _trained(sweep: Path, step: Step, pruning: Pruning, called: str, pause: Any) -> None:
    # deferred: completion needs no torch
    from aerun.train import train

    path = job_folder(sweep, step.name)
    try:
        with log_into(path, instead=True):
            folder = Folder(path)
            typed = shlex.split(str(folder.read("run.json").get("command") or "aerun"))[1:]
            results = train(folder.config(), path, job_command(typed), resume=True, in_sweep=True, pause=pause)
    except Exception as e:
        log.info("%s: %s", type(e).__name__, e, exc_info=not isinstance(e, AerunError))
        mark_refused(Folder(path), e)
        say(f"\t   {called}: failed: {line_of(e)}")
        return
    say(f"\t   {called}: {told(results, note(sweep, step.name, pruning), pruning)}")


def label(sweep: Path, name: str) -> str:
    """Return what a job is called: the settings in which it differs from the others."""
    grid = read(sweep)
    jobs = (grid.jobs if grid is not None else {}) or found_in(sweep)
    common = set.intersection(*map(set, jobs.values())) if len(jobs) > 1 else set()
    return " ".join(o for o in jobs.get(name, ()) if o not in common) or name


def told(results: Mapping[str, Any], one: Member, pruning: Pruning) -> str:
    """Return in a line how far a job has come."""
    if results["status"] == "completed":
        return f"at its end, {pruning.objective} {results['objective']:.4g}"
    rung = max(one.values)
    epoch = f" (epoch {results['epochs']})" if "epochs" in results else ""  # none where it was killed as it went on from there
    return f"at rung {rung + 1} of {pruning.end}{epoch}, {pruning.objective} {one.values[rung]:.4g}"
