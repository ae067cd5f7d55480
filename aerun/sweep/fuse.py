"""`sweep.fuse=true`: the jobs of a grid that differ only in numbers are trained as one, before they are run one by one.

A job then finds its training done, and does what is left: test, pictures, results. So it is logged, resumed and repeated as
any other.
"""

import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.core.errors import StoppedError
from aerun.core.text import say
from aerun.runs.folder import Folder
from aerun.runs.lock import alone
from aerun.settings.overrides import config_of, job_command, resolved
from aerun.sweep.job import FRESH, RESUME, clear, state

if TYPE_CHECKING:
    from aerun.build import RunPlan
    from aerun.dataset.splits import Data
    from aerun.trainer.base import Job, Trainer

log = logging.getLogger("aerun")

_MOST = 64  # runs that are trained as one: more gain nothing, and take memory


@dataclass(frozen=True)
class Candidate:
    """A job: its overrides, folder and resolved settings."""

    typed: Sequence[str]
    path: Path
    config: dict[str, Any]

    @property
    def kind(self) -> str:
        """What must be equal for runs to be trained as one: all but seed, numbers of the optimizer and strengths.

        A number that is 0 switches something off, so it does not go with others.
        """
        rest = {k: v for k, v in self.config.items() if k not in ("seed", "optimizer", "reg")}
        terms = {k: {**t, "weight": bool(t.get("weight", 1.0))} for k, t in (self.config["reg"]["terms"] or {}).items()}
        optimizer = {k: v if isinstance(v, str) else bool(v) for k, v in self.config["optimizer"].items()}
        return json.dumps([rest, optimizer, terms, bool(self.config["reg"]["lambda"])], sort_keys=True)

    def steps(self) -> int | None:
        """How many steps its last checkpoint has seen; None where it is trained already."""
        left = state(self.path, self.config)
        if left != RESUME:
            return 0 if left == FRESH else None
        from aerun.trainer.checkpoints import ended, read

        found = read(self.path / "checkpoints" / "last.ckpt")
        return None if ended(found, found["total"]) else int(found["steps"])


@dataclass
class Tally:
    """What became of the jobs that were to be trained."""

    fused: int = 0
    models: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def words(self) -> str:
        """In one line; empty where there was nothing to train."""
        rest = self.left.total()
        if not self.fused + rest:
            return ""
        what = f"{self.fused} of {self.fused + rest} jobs trained as {self.models} model{'s' * (self.models != 1)}"
        return what + (f"; {rest} one by one ({'; '.join(self.left)})" if rest else "")


def train_fused(folder: Path, jobs: Mapping[str, Sequence[str]], own: Path | None) -> None:
    """Train what can be trained as one among these jobs (name of a folder -> overrides), and say so in one line."""
    groups: dict[str, list[Candidate]] = {}
    for one in _candidates(folder, jobs, own):
        groups.setdefault(one.kind, []).append(one)
    tally = Tally()
    for group in groups.values():
        for number in range(parts := math.ceil(len(group) / _MOST)):
            _claimed(group[number::parts], tally)
    if words := tally.words():
        say(f"sweep.fuse: {words}")


def _candidates(folder: Path, jobs: Mapping[str, Sequence[str]], own: Path | None) -> Iterator[Candidate]:
    """What is wrong with a job's command is left to the job to say."""
    from aerun.settings.overrides import refuse_idle_lambda

    for name, typed in jobs.items():
        try:
            config = resolved(config_of(typed, own))
            refuse_idle_lambda(config, typed)
            one = Candidate(typed, folder.resolve() / name, config)
            if one.kind:
                yield one
        except Exception as e:
            log.info("%s: %s", name, e)


def _claimed(group: Sequence[Candidate], tally: Tally) -> None:
    """Jobs of one kind, those of the same number of steps together; no other process is at work on them meanwhile."""
    with ExitStack() as locks:
        levels: dict[int, list[Candidate]] = {}
        for one in group:
            if not locks.enter_context(alone(one.path)):
                tally.left["another process is at work on it"] += 1
            elif (steps := one.steps()) is not None:
                levels.setdefault(steps, []).append(one)
        for steps, level in levels.items():
            _together(level, steps, tally)


def _together(group: Sequence[Candidate], steps: int, tally: Tally) -> None:
    try:
        reason = "no other job differs from it in numbers alone" if len(group) < 2 else _refusal(group, steps)
    except StoppedError:
        raise
    except Exception as e:  # whatever it is, each job alone will say it of itself
        log.info("%s: %s", type(e).__name__, e, exc_info=True)
        reason = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
    if reason:
        tally.left[reason] += len(group)
    else:
        tally.fused, tally.models = tally.fused + len(group), tally.models + 1


def _refusal(group: Sequence[Candidate], steps: int) -> str:
    """Why they were not trained; empty where they were."""
    from aerun.build import build
    from aerun.compose import option
    from aerun.dataset.base import validate_data
    from aerun.trainer.fused.fit import equivalence_error, unsupported_reason

    first = build(group[0].config)
    data = validate_data(first.dataset.load(), first.facts, option(first.dataset))
    if reason := unsupported_reason(_job(first, data, group[0]), first.trainer):
        return reason
    jobs = [_job(plan, data, one) for plan, one in zip([first, *(build(g.config) for g in group[1:])], group, strict=True)]
    for job in jobs:
        job.autoencoder.start_from(data.train.x)
    if reason := equivalence_error(jobs, first.trainer):
        return reason
    _train(group, jobs, first.trainer, steps)
    return ""


def _job(plan: "RunPlan", data: "Data", one: Candidate) -> "Job":
    from aerun.trainer.base import Job

    return Job(plan.autoencoder, data, plan.optimizer, plan.schedule, plan.seed, one.path, one.config)


def _train(group: Sequence[Candidate], jobs: Sequence["Job"], settings: "Trainer", steps: int) -> None:
    from aerun.trainer.fused.fit import fit

    started, folders = time.perf_counter(), [Folder(one.path) for one in group]
    before = [float(folder.read().get("seconds") or 0.0) for folder in folders]
    for one, folder in zip(group, folders, strict=True):
        if not steps:
            clear(one.path)
        folder.open(one.config, job_command(one.typed))

    def share() -> float:
        return (time.perf_counter() - started) / len(group)

    try:
        errors = fit(jobs, settings, resume=steps > 0)
    except StoppedError as e:
        for folder, spent in zip(folders, before, strict=True):
            folder.mark(str(e), seconds=spent + share())
        raise
    for folder, error, spent in zip(folders, errors, before, strict=True):
        folder.mark("running", seconds=spent + share())
        if error is not None:
            folder.mark("failed", error=str(error), attempt=_attempt())


def refused(path: Path) -> str:
    """Why this very command has failed to train the job in this folder already; empty where it has not."""
    found = Folder(path).read()
    return str(found.get("error")) if found.get("status") == "failed" and found.get("attempt") == _attempt() else ""


def _attempt() -> str:
    """Of this command, in every process that it starts."""
    return os.environ.get("AERUN_ATTEMPT", "")
