"""`sweep.bill`, `sweep.budget` and `--bill`: what a sweep will cost, told before a job trains and kept beside the truth."""

import math
import os
import sys
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
    from aerun.bill.cost import Cost
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
        if self.total is None:
            return
        if Folder(folder).broken(FILE):
            say(f"bill     {folder / FILE} is damaged, and written anew: what an earlier command predicted and took is lost")
        Folder(folder).write(FILE, {"predicted": self._predicted(), "began": time.time()})

    def _predicted(self) -> dict[str, Any]:
        assert self.total is not None
        return {"total": asdict(self.total), "jobs": {name: asdict(one) for name, one in self.jobs.items()}}

    def settle(self, folder: Path) -> None:
        """Keep the truth beside it: what all jobs took by the clock, and each job that is complete."""
        if self.total is None or not Folder(folder).has(FILE):
            return
        kept = {} if Folder(folder).broken(FILE) else Folder(folder).read(FILE)
        if type(kept.get("began")) is not float:
            say(f"bill     {folder / FILE} was damaged while jobs ran: how long they took is not known; predictions are kept")
            Folder(folder).write(FILE, {"predicted": self._predicted()})
            return
        results = {name: Folder(folder / name).read() for name in self.jobs}
        took = {name: found.get("seconds") for name, found in results.items() if found.get("status") == "completed"}
        seconds = time.time() - float(kept["began"])
        Folder(folder).write(FILE, {**kept, "took": {"seconds": seconds, "jobs": took}})
        whole_words = f"was {self.total.words(False)}; they took {span(seconds)}"
        done = math.fsum(self.jobs[name].likely for name in took)
        part = f"of {len(took)} of {len(self.jobs)} jobs was about {span(done)}; in all it took {span(seconds)}"
        say(f"bill     {whole_words if len(took) == len(self.jobs) else part} ({folder / FILE})")


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


def bill_of(cfg: DictConfig, jobs: Mapping[str, Mapping[str, Any]], pruned: bool = False) -> Bill:
    """Return what the jobs of a grid will take, measured and printed. Raises AerunError for a budget below each of them."""
    if not jobs:
        say("bill     nothing: every job is done")
        return Bill(budget=budget_of(cfg))
    told, costs = _measured(cfg, jobs)
    words = "of jobs one by one: sweep.fuse=true may take less" if fused(cfg) else ""
    words = "of all jobs to their ends: pruning takes less" if pruned else words
    return Bill(told, _summed(cfg, list(told.values()), list(costs.values()), words), budget_of(cfg))


def bill_of_search(cfg: DictConfig, space: Space, source: Source | None) -> Bill:
    """Return what the runs of a search will take, between those at the ends of its space. Raises AerunError as `bill_of`."""
    # deferred: a sweep without a bill, and completion, need no torch
    from aerun.bill.estimate import Estimate
    from aerun.sweep.dry_run import corners

    told, costs = _measured(cfg, corners(space, source))
    runs = whole("search.trials", cfg.search.trials) * space.seeds
    each = list(told.values())
    likely, cpu = (math.fsum(getattr(one, end) for one in each) / len(each) for end in ("likely", "cpu"))
    one = Estimate(min(e.low for e in each), likely, max(e.high for e in each), cpu, any(e.early for e in each))
    dearest = max(costs.values(), key=lambda cost: cost.bytes_on_disk())
    words = f"measured at {len(costs)} ends of the space, as if nothing of the study were done"
    total = _summed(cfg, [one] * runs, [dearest] * runs, words, list(costs.values()), each)
    return Bill({}, total, budget_of(cfg))


def _measured(cfg: DictConfig, jobs: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, "Estimate"], dict[str, "Cost"]]:
    """Return what each job takes, by name, and its cost; with a budget what was measured here before is not measured again."""
    # deferred: as above
    from aerun.bill import machine, past
    from aerun.bill.estimate import estimate
    from aerun.sweep.costs import costs_of

    costs, known, busy = costs_of(jobs, again=cfg.sweep.budget is None), past.learned(), machine.busy()
    if not costs:
        raise AerunError("bill: no job of this sweep gets beyond its first steps: run one of them by itself to see why.")
    return {name: estimate(cost, known, busy=busy) for name, cost in costs.items()}, costs


def _summed(
    cfg: DictConfig,
    jobs: Sequence["Estimate"],
    costs: Sequence["Cost"],
    remark: str,
    shapes: Sequence["Cost"] = (),
    ends: Sequence["Estimate"] = (),
) -> "Estimate":
    """Return what all jobs take together, and print it. shapes, ends: what was measured, where these are not the jobs'."""
    # deferred: as above
    from aerun.bill import machine, past
    from aerun.bill.estimate import together
    from aerun.bill.lines import of_sweep

    at_once, known = whole("sweep.jobs", cfg.sweep.jobs), past.learned()
    total = together(jobs, at_once, machine.cores())
    each = max(shapes or costs, key=lambda cost: (cost.start + cost.first) * cost.clock_rest)
    before = each.first * each.clock_rest if "pytorch_lightning" not in sys.modules else 0.0
    if at_once > 1:  # whose processes have to be started, and are cold
        before = (each.start + each.first) * each.clock_rest
    total = total.later(before)
    longest = max(ends or jobs, key=lambda one: one.likely)
    memory = max(cost.memory for cost in costs) * min(at_once, len(costs))
    disk = math.fsum(cost.bytes_on_disk() for cost in costs)
    different = len({cost.size for cost in shapes or costs})
    lines = of_sweep(len(jobs), different, total, longest, memory, disk, at_once)
    for line in (*lines, *([f"         {remark}"] if remark else []), f"         {known.words()}"):
        say(line)
    _refuse_small(cfg, ends or jobs, before)
    return total


def _refuse_small(cfg: DictConfig, told: Sequence["Estimate"], before: float) -> None:
    """Raise AerunError where the budget ends before the shortest job would, so many seconds after it is begun."""
    budget = budget_of(cfg)
    most = before + min(one.most for one in told)
    left = math.inf if budget is None else began() + budget - time.time()
    if most > left:
        raise AerunError(
            f"sweep.budget={cfg.sweep.budget}: is below one job: the shortest takes up to {most:.1f} s, and "
            f"{max(0.0, left):.1f} s are left of it after the bill. Give more, or make the jobs smaller."
        )
