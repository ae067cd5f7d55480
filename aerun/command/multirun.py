"""A sweep: its jobs are planned, then Hydra starts them one by one or hands them to a launcher."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig

from aerun.core.errors import AerunError, FolderInUseError, TrainingError, line_of
from aerun.core.exits import FAILED, SUCCEEDED
from aerun.core.logs import log_to_terminal
from aerun.core.text import say
from aerun.evaluate.verdict import verdict
from aerun.report import swept
from aerun.runs.folder import Folder
from aerun.runs.lock import alone
from aerun.runs.status import mark_refused
from aerun.settings.overrides import job_command
from aerun.sweep import budget, pace
from aerun.sweep.billed import Bill, began
from aerun.sweep.grid import name_in, outcomes
from aerun.sweep.job import DONE, FRESH, RESUME, clear, refused, state
from aerun.sweep.plan import SweepPlan, one_by_one, plan_sweep
from aerun.sweep.planned import Planned
from aerun.sweep.pruned import outcome_of
from aerun.sweep.pruning import Pruning
from aerun.sweep.rung_ends import check, finish
from aerun.sweep.rung_jobs import Until, first_level, label, lead, note, pruned_value, told
from aerun.sweep.rungs import pruning_in
from aerun.sweep.search_summary import tell
from aerun.sweep.submitted import outdated

if TYPE_CHECKING:
    from aerun.sweep.study import Opened


def run(command: str, fresh: bool, start: Callable[[], None], shown: Callable[[Path], Path], billed: bool = False) -> int:
    """Run the sweep of sys.argv, as it is planned first; return the exit code.

    start: hands sys.argv to Hydra. billed: only its bill is made. shown: a path as it is shown where the command was typed.
    """
    os.environ["AERUN_ATTEMPT"] = f"{os.getpid()}-{time.time_ns()}"
    planned = plan_sweep(sys.argv[1:], command, fresh, billed)
    if planned is None:
        return SUCCEEDED
    sys.argv = [*(word for word in sys.argv if word not in planned.withheld), *planned.overrides]
    if planned.study is None:
        return _grid(planned, start, shown)
    return _search(planned, planned.study, start, shown)


def _grid(planned: SweepPlan, start: Callable[[], None], shown: Callable[[Path], Path]) -> int:
    folder = planned.folder
    pace.begin(folder, planned.grid.jobs)
    try:
        if planned.fuse is not None:
            planned.fuse()
        with budget.within(planned.bill.budget, began(), folder):
            start()
            if pruning := pruning_in(folder, planned.grid):
                log_to_terminal()
                _finished(folder, pruning, planned.grid.jobs)
    finally:
        pace.end()
        followed = {name_in(folder, typed, planned.grid): typed for typed in Planned.followed}
        finished, failed = outcomes(folder, {**planned.grid.jobs, **followed}, planned.left_alone)
        failed = _without_time(planned.bill, failed)
        outcome = outcome_of(folder)
        pruned = [list(one.typed) for one in outcome.pruned] if outcome else []
        remarks = outcome.lines() if outcome else []
        if finished or failed or pruned:
            swept.sweep(finished, failed, shown(folder.resolve()), planned.objective, pruned, remarks)
        planned.bill.settle(folder)
    return FAILED if failed else SUCCEEDED


def _without_time(bill: Bill, failed: list[tuple[list[str], str]]) -> list[tuple[list[str], str]]:
    """Return the jobs that are not complete without those that the budget left out, which are said."""
    if bill.budget is None:
        return failed
    budget.tell([one for one in failed if budget.excused(one[1])], bill.budget)
    return [one for one in failed if not budget.excused(one[1])]


def _search(
    planned: SweepPlan,
    study: AbstractContextManager["Opened"],
    start: Callable[[], None],
    shown: Callable[[Path], Path],
) -> int:
    folder, grid = planned.folder, planned.grid
    with study as opened:
        grid.save(folder)
        planned.bill.save(folder)
        sys.argv += opened.overrides
        try:
            with budget.within(planned.bill.budget, began(), folder):
                start()
                if (pruning := pruning_in(folder, grid)) and not budget.over():
                    log_to_terminal()
                    check(folder.resolve(), pruning)
        finally:
            failed = tell(opened, folder, grid, shown(folder.resolve()), partial(_without_time, planned.bill))
            planned.bill.settle(folder)
    return FAILED if failed else SUCCEEDED


def _finished(folder: Path, pruning: Pruning, jobs: Iterable[str]) -> None:
    """Do what is left of a pruned grid, unless its budget has left jobs out: these have not had their turn."""
    if not budget.over() and not budget.cut_short(list(jobs)):
        finish(folder.resolve(), pruning)


def job(plain: dict[str, Any], typed: list[str], path: Path) -> float | tuple[float, ...]:
    """Do one job of a sweep: what is complete is not done again, what was stopped goes on, what failed begins anew.

    Of a pruned sweep it trains to its first rung, and then whatever is to go on.
    """
    sweep = Path(HydraConfig.get().sweep.dir).absolute()
    pruning = pruning_in(sweep)
    if pruning is None:
        return _in_time(plain, typed, path)
    name = str(path.absolute().relative_to(sweep))
    _in_time(plain, typed, path, Until(sweep, name, first_level(sweep, name, typed, pruning), pruning))
    if pruning.at_once or not one_by_one():  # else it is decided when all jobs have had their turn
        lead(sweep, pruning, only=name if pruning.searched else None)
    results = Folder(path).read()
    return _values(results, plain) if results.get("status") == "completed" else pruned_value(sweep, name, pruning)


def _in_time(plain: dict[str, Any], typed: list[str], path: Path, until: Until | None = None) -> float | tuple[float, ...]:
    """Do a job, where sweep.budget leaves time for it."""
    left = state(path, plain, data=False).left if budget.deadline() is not None else DONE
    if left == DONE or (until and left == RESUME and until.there()):
        return _done(plain, typed, path, until)
    with budget.begun(plain, path, left == RESUME, until.pause if until else None) as why:
        if why:
            say(f"\t   {why}")
            return math.nan
        return _done(plain, typed, path, until)


def _done(plain: dict[str, Any], typed: list[str], path: Path, until: Until | None = None) -> float | tuple[float, ...]:
    # deferred: completion needs no torch
    from aerun.train import train

    with alone(path) as mine:
        if not mine:
            say("\t   another process is at work on this job")
            return math.nan
        if why := refused(path):
            raise TrainingError(why)
        left, why, status = state(path, plain)
        if left != DONE and (changed := outdated(plain)):
            raise FolderInUseError(changed) if status else AerunError(changed)  # the latter is marked: nothing is lost by it
        if why:
            say(f"\t   {why}{': trained anew' if left == FRESH else ''}")
        if left == FRESH:
            clear(path)
        if left == DONE and Folder(path).relabel(plain):
            say("\t   has the tags and notes that are typed now")
        done = Folder(path).read() if left == DONE or (until and left == RESUME and until.there()) else None
        pause = until.pause if until else None
        metrics = done or train(plain, path, job_command(typed), resume=left == RESUME, in_sweep=True, pause=pause)
        if until:
            one = note(until.sweep, until.name, until.pruning)
    if until and metrics["status"] != "completed":
        which = "" if one_by_one() else f"{label(until.sweep, until.name)}: "
        say(f"\t   {which}{'complete that far, ' if done else ''}{told(metrics, one, until.pruning)}")
        return math.nan
    say(f"\t   {_how(left, metrics, path)}SE {metrics['test/se']:.4g}. {verdict(metrics)}")
    _say_pace()
    return _values(metrics, plain)


def _values(metrics: Mapping[str, Any], plain: Mapping[str, Any]) -> float | tuple[float, ...]:
    """Return what a sweeper is told of a job that is complete."""
    several = plain["objective"]
    return float(metrics["objective"]) if isinstance(several, str) else tuple(float(metrics[key]) for key in several)


def tell_failure(path: Path, error: Exception) -> None:
    """Write down and say why a job failed."""
    if not isinstance(error, FolderInUseError):
        mark_refused(Folder(path), error)
    say(f"\t   failed: {line_of(error)}")
    _say_pace()


def _say_pace() -> None:
    if words := pace.pace():
        say(f"\t   {words}")


def _how(left: str, metrics: Mapping[str, Any], path: Path) -> str:
    """Return how a job came to its end, and its name where jobs at the same time end in any order."""
    how = {DONE: "complete already, ", RESUME: "gone on with, "}.get(left, "")
    how = f"trained as one of {metrics['fused']}, " if left == RESUME and metrics["fused"] > 1 else how
    return how if one_by_one() else f"{path.name}: {how}"
