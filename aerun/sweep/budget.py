"""`sweep.budget=1h`: from the command's start nothing begins that cannot end in time, and what runs late is interrupted.

A job begins where it is to end in time by its bill, tests included, with the margin that past bills ask for. Training that
takes longer all the same is interrupted at a step, so early that there would still be time for the tests; it goes on like any
other job that was stopped. So jobs are complete, or as if they had not been asked for.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.exits import STOPPED, TIME_LIMIT
from aerun.core.text import counted, say, span
from aerun.runs.folder import Folder
from aerun.runs.listing import last_row
from aerun.settings.naming import own_overrides
from aerun.sweep.grid import name_in
from aerun.sweep.standing import WAITING, Standing, grid_of, standings
from aerun.sweep.words import listed

FILE = "budget.json"
_ENV = "AERUN_BUDGET"  # when it ends, by time.time(), and the sweep's folder: also for workers
_refused: list[str] = []  # why jobs were left out, in this process


class BudgetSpentError(Exception):
    """A search has drawn a point for which there is no time; it is kept for the next command."""


@contextmanager
def within(seconds: float | None, began: float, folder: Path) -> Iterator[None]:
    """Let jobs begin and train until so many seconds after `began`; None: as long as they like."""
    if seconds is None:
        yield
        return
    _refused.clear()
    if Folder(folder).broken(FILE):
        say(f"{folder / FILE}: damaged, and written anew: a budget counts from the start of its command, so nothing is lost")
    os.environ[_ENV] = json.dumps([began + seconds, str(folder.resolve())])
    about = {"seconds": seconds, "began": began, "ends": began + seconds}
    Folder(folder).write(FILE, about)
    try:
        yield
    finally:
        os.environ.pop(_ENV, None)
        Folder(folder).write(FILE, {**about, "ended": time.time()})


def deadline() -> float | None:
    """Return when the budget of this command ends; None where it has none."""
    standing = _standing()
    return standing[0] if standing else None


def _standing() -> tuple[float, Path] | None:
    """Return when the budget of this command ends, and the folder of its sweep; None where it has none."""
    if _ENV not in os.environ:
        return None
    until, folder = json.loads(os.environ[_ENV])
    return float(until), Path(folder)


@contextmanager
def begun(
    config: Mapping[str, Any],
    path: Path,
    trained: bool,
    pause: Callable[[int], int] | None = None,
    now: Callable[[], float] = time.time,
) -> Iterator[str]:
    """Yield why a job is not begun, empty where it is; its training is then interrupted where it would take too long.

    trained: it goes on with what is in its folder. pause: after how many of its epochs it stops for now, without its tests.
    """
    until = deadline()
    if until is None:
        yield ""
        return
    if now() >= until:  # which takes no time to find out
        _refused.append("used up")
        yield "not begun: sweep.budget is used up"
        return
    # deferred: a sweep without a budget needs nothing of bills
    from aerun.trainer.time_limit import interrupt_at

    whole, ending = _needed(config, path, trained, pause)
    left = until - now()
    if whole > left:
        _refused.append("too long")
        yield f"not begun: takes up to {span(whole)}, and {span(max(0.0, left))} are left of sweep.budget"
        return
    interrupt_at(until - ending)
    try:
        yield ""
    finally:
        interrupt_at(None)


def _needed(config: Mapping[str, Any], path: Path, trained: bool, pause: Callable[[int], int] | None) -> tuple[float, float]:
    """Return the seconds that a job takes at most by its bill, and those of them after its training."""
    # deferred: as that
    from aerun.bill import past
    from aerun.bill.estimate import estimate
    from aerun.sweep.costs import cost_of_job

    cost = cost_of_job(config)
    if cost is None:  # its own training tells why
        return 0.0, 0.0
    if pause is not None:
        epochs = min(cost.size.epochs, pause(cost.size.epochs))
        cost = replace(cost, end=0.0, size=replace(cost.size, epochs=epochs, shortest=min(epochs, cost.size.shortest)))
    known, pace = past.learned(), past.pace_of(os.environ.get("AERUN_ATTEMPT", ""))
    first = last_row(Folder(path)).get("epoch", "") if trained else ""
    done = min(float(first) + 1, cost.size.epochs) if first.isdigit() else 0.0
    told = estimate(cost, known, "pytorch_lightning" not in sys.modules, pace=pace, done=done)
    ending = cost.end * max(cost.clock_rest, pace or 0.0) * known.factor * known.reach
    return told.most, ending


def over() -> bool:
    """Return whether the budget of this command is used up, or this process has left something out for it."""
    until = deadline()
    return until is not None and (bool(_refused) or time.time() >= until)


def cut_short(names: Sequence[str]) -> bool:
    """Return whether the budget of this command kept one of these jobs, by their names, from its beginning or its end."""
    standing = _standing()
    if standing is None:
        return False
    found = [Folder(standing[1] / name).read().get("status") for name in names]
    return any(status is None or excused(str(status)) for status in found)


def stopped_short(jobs: Sequence[Sequence[str]]) -> bool:
    """Return the same of jobs with these overrides, which have been launched."""
    standing = _standing()
    return standing is not None and cut_short([name_in(standing[1], job) for job in jobs])


def excused(reason: str) -> bool:
    """Return whether a job that is not complete is so since the time was up; reason: as it is told at the end."""
    return reason == "not begun" or reason.startswith(STOPPED[TIME_LIMIT])


def tell(left_out: Sequence[tuple[Sequence[str], str]], seconds: float) -> None:
    """Say which jobs the budget left out."""
    own = [own_overrides(typed) for typed, _ in left_out]
    common = {o for o in own[0] if all(o in typed for typed in own)} if len(own) > 1 else set()
    names = [" ".join(o for o in typed if o not in common) or "the job" for typed in own]
    for late, words in ((False, "not begun"), (True, "stopped")):
        some = [name for name, (_, reason) in zip(names, left_out, strict=True) if (reason != "not begun") == late]
        if some:
            say(f"sweep.budget of {span(seconds)} is used up: {counted(len(some), 'job')} {words}: {listed(some, '; ')}")
    if left_out:
        say("The same command with a larger sweep.budget goes on; the best found so far stands.")


def _written(folder: Path) -> tuple[float, float, bool] | None:
    """Return the seconds of a sweep's budget, when it ends, and whether its command has ended; None for a damaged file."""
    try:
        about = Folder(folder).read(FILE)
        return float(about["seconds"]), float(about["ends"]), "ended" in about
    except (AerunError, KeyError, TypeError, ValueError):
        return None


def _damaged(folder: Path) -> str:
    return f"{folder / FILE} is damaged: what is left of the budget cannot be told; the same command again writes it anew"


def line(folder: Path, found: Sequence[Standing], now: float) -> str:
    """Return what `aerun status` says of a sweep's budget, and which of its jobs are not begun; empty where it has none."""
    if not Folder(folder).has(FILE):
        return ""
    if (about := _written(folder)) is None:
        return f"budget   {_damaged(folder)}"
    seconds, ends, ended = about
    if not ended and now < ends:
        return f"budget   {span(ends - now)} of {span(seconds)} left"
    own = [own_overrides(one.typed) for one in found]
    common = {o for o in own[0] if all(o in typed for typed in own)} if len(own) > 1 else set()
    pairs = [(one, [o for o in typed if o not in common]) for one, typed in zip(found, own, strict=True)]
    waiting = [" ".join(typed) or one.name for one, typed in pairs if one.state == WAITING]
    words = f"budget   {span(seconds)}, over"
    return f"{words}; {counted(len(waiting), 'job')} not begun: {listed(waiting)}" if waiting else words


def sentence(folder: Path) -> str:
    """Return what a report says of jobs that a budget left out; empty where there are none."""
    if not Folder(folder).has(FILE):
        return ""
    if _written(folder) is None:
        return f"{_damaged(folder)}."
    words = line(folder, standings(folder, grid_of(folder), brief=True), time.time())
    left = words.partition("; ")[2]
    return f"Its sweep.budget left {left}." if left else ""
