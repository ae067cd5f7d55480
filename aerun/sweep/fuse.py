"""`sweep.fuse=true`: the jobs of a grid that differ only in numbers are trained as one, before they are run one by one.

A job then finds its training done, and does what is left: test, pictures, results. So it is logged, resumed and repeated as
any other.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.command.typed import config_of, job_command, resolved
from aerun.errors import StoppedError
from aerun.folder import Folder
from aerun.sweep.job import FRESH, RESUME, alone, clear, state

if TYPE_CHECKING:
    from aerun.trainer.base import Job, Trainer

log = logging.getLogger("aerun")

_MOST = 64  # runs that are trained as one: more gain nothing, and take memory


@dataclass
class Candidate:
    """A job that is not trained yet: its overrides, folder, settings, and how many steps its last checkpoint has seen."""

    typed: Sequence[str]
    path: Path
    config: dict[str, Any]
    steps: int = 0

    @property
    def kind(self) -> str:
        """What must be equal for runs to be trained as one: all but seed, numbers of the optimizer and strengths.

        A number that is 0 switches something off, so it does not go with others.
        """
        rest = {k: v for k, v in self.config.items() if k not in ("seed", "optimizer", "reg")}
        terms = {k: {**t, "weight": bool(t["weight"])} for k, t in (self.config["reg"]["terms"] or {}).items()}
        optimizer = {k: v if isinstance(v, str) else bool(v) for k, v in self.config["optimizer"].items()}
        return json.dumps([rest, optimizer, terms, bool(self.config["reg"]["lambda"]), self.steps], sort_keys=True)


def train_fused(folder: Path, jobs: Mapping[str, Sequence[str]], own: Path | None) -> None:
    """Train what can be trained as one among these jobs (name of a folder -> overrides), and say so in one line."""
    found = list(_candidates(folder, jobs, own))
    groups: dict[str, list[Candidate]] = {}
    for one in found:
        groups.setdefault(one.kind, []).append(one)
    fused, models, reasons = 0, 0, list[str]()
    for group in groups.values():
        for first in range(0, len(group), _MOST):
            count, reason = _together(group[first : first + _MOST])
            fused, models = fused + count, models + bool(count)
            reasons += [reason] * (not count)
    if found:
        rest = f"; {len(found) - fused} one by one ({'; '.join(dict.fromkeys(reasons))})" if fused < len(found) else ""
        print(f"sweep.fuse: {fused} of {len(found)} jobs trained as {models} model{'s' * (models != 1)}{rest}", flush=True)


def _candidates(folder: Path, jobs: Mapping[str, Sequence[str]], own: Path | None) -> Iterator[Candidate]:
    """The jobs that are to be trained. What is wrong with a job's command is left to the job to say."""
    for name, typed in jobs.items():
        try:
            one = Candidate(typed, folder.resolve() / name, resolved(config_of(typed, own)))
            left = state(one.path, one.config)
            if left == RESUME:
                one.steps = _steps(one.path)
            if left in (FRESH, RESUME) and one.kind:
                yield one
        except Exception as e:
            log.info("%s: %s", name, e)


def _steps(path: Path) -> int:
    from aerun.trainer.checkpoints import read

    return int(read(path / "checkpoints" / "last.ckpt")["steps"])


def _together(group: Sequence[Candidate]) -> tuple[int, str]:
    """(number of jobs trained, why none)."""
    if len(group) < 2:
        return 0, "no other job differs from it in numbers alone"
    with ExitStack() as locks:
        mine = [one for one in group if locks.enter_context(alone(one.path))]
        try:
            jobs, settings = _jobs(mine)
            reason = _refusal(jobs, settings)
            return (0, reason) if reason else (_train(mine, jobs, settings), "")
        except StoppedError:
            raise
        except Exception as e:  # whatever it is, each job alone will say it of itself
            log.info("%s: %s", type(e).__name__, e, exc_info=True)
            return 0, f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"


def _jobs(group: Sequence[Candidate]) -> tuple[list["Job"], "Trainer"]:
    from aerun.build import build
    from aerun.compose import option
    from aerun.dataset.base import verified
    from aerun.trainer.base import Job

    plans = [build(one.config) for one in group]
    data = verified(plans[0].dataset.load(), plans[0].facts, option(plans[0].dataset))
    jobs = []
    for plan, one in zip(plans, group, strict=True):
        plan.autoencoder.start_from(data.train.x)
        title = f"{len(group)} jobs as one: " if one is group[0] else ""
        jobs.append(Job(plan.autoencoder, data, plan.optimizer, plan.schedule, plan.seed, one.path, one.config, title))
    return jobs, plans[0].trainer


def _refusal(jobs: Sequence["Job"], settings: "Trainer") -> str:
    from aerun.trainer.fused.fit import disagree, unfit

    return unfit(jobs[0], settings) or disagree(jobs, settings)


def _train(group: Sequence[Candidate], jobs: Sequence["Job"], settings: "Trainer") -> int:
    from aerun.trainer.fused.fit import fit

    started, folders = time.perf_counter(), [Folder(one.path) for one in group]
    before = [float(folder.read().get("seconds") or 0.0) for folder in folders]
    for one, folder in zip(group, folders, strict=True):
        if not one.steps:
            clear(one.path)
        folder.open(one.config, job_command(one.typed))

    def share() -> float:
        return (time.perf_counter() - started) / len(group)

    try:
        errors = fit(jobs, settings, resume=group[0].steps > 0)
    except StoppedError as e:
        for folder, spent in zip(folders, before, strict=True):
            folder.mark(str(e), seconds=spent + share())
        raise
    for folder, error, spent in zip(folders, errors, before, strict=True):
        folder.mark("running", seconds=spent + share())
        if error is not None:
            folder.mark("failed", error=str(error), attempt=_attempt())
    return len(group)


def refused(path: Path) -> str:
    """Why this very command has failed to train the job in this folder already; empty where it has not."""
    found = Folder(path).read()
    return str(found.get("error")) if found.get("status") == "failed" and found.get("attempt") == _attempt() else ""


def _attempt() -> str:
    """Of this command, in every process that it starts."""
    return os.environ.get("AERUN_ATTEMPT", "")
