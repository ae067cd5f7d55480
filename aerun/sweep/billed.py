"""`sweep.bill`, `sweep.budget` and `--bill`: what a sweep will cost, told before a job trains and kept beside the truth."""

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from aerun.core.durations import seconds_of
from aerun.core.errors import AerunError
from aerun.core.text import say, span
from aerun.runs.folder import Folder
from aerun.settings.sources import Source
from aerun.sweep.launchers import fused, runs_by_itself
from aerun.sweep.space import Space, whole

if TYPE_CHECKING:
    from aerun.bill.estimate import Estimate

FILE = "bill.json"
BEGAN = "AERUN_BEGAN"  # when the command began, by time.time()


@dataclass(frozen=True)
class Bill:
    """What jobs will take, by name, and all of them together; budget: seconds that they may take, None: any."""

    jobs: Mapping[str, "Estimate"] = field(default_factory=dict)
    total: "Estimate | None" = None
    budget: float | None = None

    def save(self, folder: Path) -> None:
        """Keep the prediction in the sweep's folder."""
        if self.total is not None:
            predicted = {"total": asdict(self.total), "jobs": {name: asdict(one) for name, one in self.jobs.items()}}
            Folder(folder).write(FILE, {"predicted": predicted, "began": time.time()})

    def settle(self, folder: Path) -> None:
        """Keep the truth beside it: what all jobs took by the clock, and each job that is complete."""
        if self.total is None or not (kept := Folder(folder).read(FILE)):
            return
        results = {name: Folder(folder / name).read() for name in self.jobs}
        took = {name: found.get("seconds") for name, found in results.items() if found.get("status") == "completed"}
        seconds = time.time() - float(kept["began"])
        Folder(folder).write(FILE, {**kept, "took": {"seconds": seconds, "jobs": took}})
        say(f"bill     was {self.total.words(False)}; its jobs took {span(seconds)} (in {folder / FILE})")


def began() -> float:
    """Return when this command began."""
    return float(os.environ.get(BEGAN) or time.time())


def asked(cfg: DictConfig, alone: bool) -> bool:
    """Return whether a bill is to be made. Raises AerunError for a budget that cannot be kept.

    alone: the bill and nothing more.
    """
    if not isinstance(cfg.sweep.bill, bool):
        raise AerunError(f"sweep.bill={cfg.sweep.bill}: must be true or false.")
    budget = budget_of(cfg)
    if budget is not None and fused(cfg):
        raise AerunError("sweep.budget: jobs that are trained as one (sweep.fuse=true) end together: leave one of the two out.")
    wanted = bool(alone or cfg.sweep.bill or budget is not None)
    if wanted and not runs_by_itself(cfg):
        what = "sweep.budget" if budget is not None else "a bill"
        raise AerunError(f"{what}: is measured on this machine, and hydra/launcher starts the jobs elsewhere. Leave it out.")
    return wanted


def budget_of(cfg: DictConfig) -> float | None:
    """Return the seconds of sweep.budget; None where there is none."""
    return None if cfg.sweep.budget is None else seconds_of("sweep.budget", cfg.sweep.budget)


def bill_of(cfg: DictConfig, jobs: Mapping[str, Mapping[str, Any]]) -> Bill:
    """Measure the jobs of a grid, and print what they will take. Raises AerunError for a budget that is below each of them."""
    if not jobs:
        say("bill     nothing: every job is done")
        return Bill(budget=budget_of(cfg))
    # deferred: a sweep without a bill, and completion, need no torch
    from aerun.bill import machine, past
    from aerun.bill.estimate import estimate, together
    from aerun.bill.lines import of_sweep
    from aerun.sweep.costs import costs_of

    costs, known, busy = costs_of(jobs), past.learned(), machine.busy()
    if not costs:
        raise AerunError("bill: no job of this sweep gets beyond its first steps: run one of them by itself to see why.")
    at_once = whole("sweep.jobs", cfg.sweep.jobs)
    told = {name: estimate(cost, known, cold=at_once > 1, busy=busy) for name, cost in costs.items()}
    total, longest = together(list(told.values()), at_once, machine.cores()), max(told.values(), key=lambda one: one.likely)
    memory = max(cost.memory for cost in costs.values()) * min(at_once, len(costs))
    disk = math.fsum(cost.bytes_on_disk() for cost in costs.values())
    shapes = len({cost.size for cost in costs.values()})
    for line in (*of_sweep(len(told), shapes, total, longest, memory, disk, at_once), f"         {known.words()}"):
        say(line)
    if fused(cfg):
        say("         of jobs one by one: sweep.fuse=true may take less")
    refuse_small(cfg, list(told.values()))
    return Bill(told, total, budget_of(cfg))


def refuse_small(cfg: DictConfig, told: Sequence["Estimate"]) -> None:
    """Raise AerunError where the budget ends before the shortest job would."""
    budget = budget_of(cfg)
    least = min(told, key=lambda one: one.high)
    left = math.inf if budget is None else began() + budget - time.time()
    if least.high > left:
        raise AerunError(
            f"sweep.budget={cfg.sweep.budget}: is below one job: the shortest takes {span(least.low)} to {span(least.high)}, "
            f"and {span(max(0.0, left))} are left of it after the bill. Give more, or make the jobs smaller."
        )


def bill_of_search(cfg: DictConfig, space: Space, source: Source | None) -> Bill:
    """Measure both ends of the space of a search, and print what its runs will take between them.

    Raises AerunError for a budget that is below each of them.
    """
    # deferred: as in bill_of
    from aerun.bill import machine, past
    from aerun.bill.estimate import Estimate, estimate, together
    from aerun.bill.lines import of_sweep
    from aerun.sweep.costs import costs_of
    from aerun.sweep.dry_run import corners

    costs, known, busy = costs_of(corners(space, source)), past.learned(), machine.busy()
    if not costs:
        raise AerunError("bill: no run of this search gets beyond its first steps: run one of them by itself to see why.")
    at_once, runs = whole("sweep.jobs", cfg.sweep.jobs), whole("search.trials", cfg.search.trials) * space.seeds
    told = [estimate(cost, known, cold=at_once > 1, busy=busy) for cost in costs.values()]
    likely, cpu = (math.fsum(getattr(one, end) for one in told) / len(told) for end in ("likely", "cpu"))
    one = Estimate(min(e.low for e in told), likely, max(e.high for e in told), cpu, any(e.early for e in told))
    total, longest = together([one] * runs, at_once, machine.cores()), max(told, key=lambda one: one.likely)
    memory = max(cost.memory for cost in costs.values()) * min(at_once, runs)
    disk = runs * max(cost.bytes_on_disk() for cost in costs.values())
    for line in of_sweep(runs, len(costs), total, longest, memory, disk, at_once):
        say(line)
    say(f"         measured at {len(costs)} ends of the space, as if nothing of the study were done; {known.words()}")
    refuse_small(cfg, told)
    return Bill({}, total, budget_of(cfg))
