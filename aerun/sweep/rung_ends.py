"""The end of a pruned sweep: the best ends, others are pruned, some are checked; all go on where the first rung misleads."""

import math
from dataclasses import replace
from pathlib import Path

from aerun.core.text import say
from aerun.runs.contents import RUNGS
from aerun.runs.folder import Folder
from aerun.runs.lock import alone
from aerun.runs.status import PAUSED, mark_pruned
from aerun.sweep import budget
from aerun.sweep.grid import job_folder
from aerun.sweep.pruned import ENOUGH, WEAK, later_words, outcome_of
from aerun.sweep.pruning import ASHA, Pruning
from aerun.sweep.rung_jobs import Step, go_on, lead, note
from aerun.sweep.rungs import later, member, table, write


def finish(sweep: Path, pruning: Pruning) -> None:
    """Do what is left when all jobs have had their turn: the best ends, the others are pruned, some are checked."""
    _count_checked(sweep, pruning)
    lead(sweep, pruning, last=True)
    if budget.over():  # whoever waits may go on yet
        return
    jobs = [one for unit in table(sweep, pruning) for one in unit.members]
    for one in jobs:
        if Folder(job_folder(sweep, one.name)).read().get("status") == PAUSED:
            mark_pruned(Folder(job_folder(sweep, one.name)))
    check(sweep, pruning)
    if not budget.over() and (found := begin_later(sweep, pruning)):
        finish(sweep, found)


def begin_later(sweep: Path, pruning: Pruning) -> Pruning | None:
    """Return how a grid is pruned whose first rung was found to say little of the ends; None where that is not so.

    All jobs then go on to the second rung, from where they are. It is written down before any does, so that a kill changes
    nothing; those that had ended for the sake of the figures count as any other from there on.
    """
    if pruning.kind != ASHA or pruning.searched or pruning.begin or pruning.end < 2:
        return None
    outcome = outcome_of(sweep)
    correlation, jobs = outcome.correlation(0) if outcome else (math.nan, 0)
    if outcome is None or not (jobs >= ENOUGH and correlation < WEAK):
        return None
    about = {"correlation": correlation, "jobs": jobs, "checked": [one.name for one in outcome.checked]}
    Folder(sweep).write(RUNGS, about)
    say(f"rung 1 of {pruning.end}: {later_words(about)}")
    return replace(pruning, begin=1)


def _count_checked(sweep: Path, pruning: Pruning) -> None:
    """Count jobs that had ended for the figures alone among those that go on, where the first rung no longer prunes."""
    for name in later(sweep).get("checked", ()):
        one = member(sweep, name, pruning)
        if one.check:
            write(sweep, replace(one, check=False))
            note(sweep, name, pruning)


def check(sweep: Path, pruning: Pruning) -> None:
    """Train so many pruned jobs to their ends for the sake of the figures: drawn evenly, and the same ones after a kill."""
    # deferred: no other part of a sweep draws
    import random

    jobs = [one for unit in table(sweep, pruning) for one in unit.members]
    pool = [one for one in jobs if one.check or (one.values and not one.ended and not one.failed)]
    random.Random(0).shuffle(pool)
    chosen = pool[: pruning.check]
    for one in chosen:
        write(sweep, replace(one, check=True))
    for one in chosen:
        path = job_folder(sweep, one.name)
        with alone(path) as mine:
            left = mine and Folder(path).read().get("status") != "completed"
            if left and not go_on(sweep, Step(one.name, pruning.end), pruning):
                return
