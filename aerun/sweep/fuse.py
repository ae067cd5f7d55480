"""`sweep.fuse=true`: the jobs of a grid that differ only in numbers are trained as one, before they are run one by one.

A job then finds its training done, and does what is left: test, pictures, results. So it is logged, resumed and repeated as
any other.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from aerun.begin import Prepared, keep_prepared, of_command, open_folder, prepare
from aerun.build import RunPlan, build
from aerun.core.collector import go_on
from aerun.core.errors import StoppedError, line_of
from aerun.core.text import say
from aerun.evaluate.health import decoder_scale
from aerun.runs.folder import Folder
from aerun.runs.lock import alone
from aerun.runs.status import Clock, mark_trained, marked
from aerun.settings.auto import as_saved
from aerun.settings.labels import ASIDE
from aerun.settings.overrides import job_command
from aerun.sweep.idle import GridJob
from aerun.sweep.job import FRESH, RESUME, attempt, clear, state
from aerun.trainer.base import Fitted, Job

log = logging.getLogger("aerun")

_MOST = 64  # runs that are trained as one: more gain nothing, and take memory


@dataclass(frozen=True)
class Candidate:
    """A job: its overrides, folder and resolved settings."""

    typed: Sequence[str]
    path: Path
    config: dict[str, Any]
    given: Mapping[str, Any]  # what its job has, which leaves open what a run decides as it begins

    @property
    def kind(self) -> str:
        """Return what must be equal for runs to be trained as one.

        That is all but seed, size of the code, rate of dropout, numbers of the optimizer and strengths. A number that is 0
        switches something off, so it does not go with others.
        """
        rest = {k: v for k, v in self.config.items() if k not in ("seed", "optimizer", "reg", *ASIDE)}
        rest["model"] = _without_sizes(rest["model"])
        terms = {k: {**t, "weight": bool(t.get("weight", 1.0))} for k, t in (self.config["reg"]["terms"] or {}).items()}
        optimizer = {k: v if isinstance(v, str) else bool(v) for k, v in self.config["optimizer"].items()}
        return json.dumps([rest, optimizer, terms, bool(self.config["reg"]["lambda"])], sort_keys=True)

    @property
    def size(self) -> int:
        """Return the size of its code."""
        return int(self.config["model"]["latent_dim"])

    def level(self) -> "Level | None":
        """Return how far its training has come; None where it is trained already."""
        left = state(self.path, self.config).left
        if left != RESUME:
            return Level(0) if left == FRESH else None
        # deferred: a sweep that trains nothing as one needs none of this
        from aerun.runs.checkpoint import read
        from aerun.trainer.fused.files import remembered
        from aerun.trainer.saved import ended

        checkpoint = read(self.path, device="meta")
        if ended(checkpoint, checkpoint["total"]):
            return None
        return Level(int(checkpoint["steps"]), remembered(checkpoint))


class Level(NamedTuple):
    """How many steps a run's last checkpoint has seen, and for which weights its optimizer has what; None: damaged."""

    steps: int
    remembered: str | None = ""


@dataclass
class Tally:
    """What became of the jobs that were to be trained."""

    fused: int = 0
    models: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def words(self) -> str:
        """Return it in one line; empty where there was nothing to train."""
        rest = self.left.total()
        if not self.fused + rest:
            return ""
        what = f"{self.fused} of {self.fused + rest} jobs trained as {self.models} model{'s' * (self.models != 1)}"
        return what + (f"; {rest} one by one ({'; '.join(self.left)})" if rest else "")


def train_fused(folder: Path, jobs: Mapping[str, GridJob]) -> None:
    """Train what can be trained as one among these jobs (by the names of their folders), and say so in one line."""
    groups: dict[str, list[Candidate]] = {}
    for name, job in jobs.items():
        path = folder.resolve() / name
        one = Candidate(job.typed, path, _as_begun(path, dict(job.config)), job.config)
        groups.setdefault(one.kind, []).append(one)
    tally = Tally()
    for group in groups.values():
        for number in range(parts := math.ceil(len(group) / _MOST)):
            _claimed(group[number::parts], tally)
    if words := tally.words():
        say(f"sweep.fuse: {words}")


def _as_begun(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a job, with what it leaves open as it was when the job began, where it goes on."""
    return as_saved(config, Folder(path).config()) if state(path, config).left == RESUME else config


def _claimed(group: Sequence[Candidate], tally: Tally) -> None:
    """Train jobs of one kind, those that have come equally far together; no other process works on them meanwhile."""
    with ExitStack() as locks:
        levels: dict[Level, list[Candidate]] = {}
        for one in group:
            if not locks.enter_context(alone(one.path)):
                tally.left["another process is at work on it"] += 1
            elif (level := one.level()) is not None and level.remembered is None:
                tally.left["its last checkpoint is damaged"] += 1
            elif level is not None:
                levels.setdefault(level, []).append(one)
        for level, same in levels.items():
            _together(same, level.steps, tally)


def _together(group: Sequence[Candidate], steps: int, tally: Tally) -> None:
    try:
        reason = "no other job differs from it in numbers alone" if len(group) < 2 else _refusal(group, steps)
    except StoppedError:
        raise
    except Exception as e:  # whatever it is, each job alone will say it of itself
        log.info("%s: %s", type(e).__name__, e, exc_info=True)
        reason = f"{type(e).__name__}: {line_of(e)}"
    if reason and len(sizes := sorted({one.size for one in group})) > 1:  # codes of one size may go together all the same
        for size in sizes:
            _together([one for one in group if one.size == size], steps, tally)
    elif reason:
        tally.left[reason] += len(group)
    else:
        tally.fused, tally.models = tally.fused + len(group), tally.models + 1


def _without_sizes(node: Any) -> Any:
    """Return a model's settings without sizes of codes, and of dropout only whether there is any."""
    if isinstance(node, Mapping):
        return {k: bool(v) if k == "dropout" else _without_sizes(v) for k, v in node.items() if k != "latent_dim"}
    return node


def _refusal(group: Sequence[Candidate], steps: int) -> str:
    """Return why they were not trained; empty where they were."""
    # deferred: a sweep of which nothing is left to train needs none of this
    from aerun.trainer.fused.fit import equivalence_error, unsupported_reason

    plans = [build(group[0].config)]
    dataset, data = of_command(plans[0])
    plans[0] = replace(plans[0], dataset=dataset)
    jobs = [prepare(plans[0], group[0].path, data=data)]
    if reason := unsupported_reason(jobs[0], plans[0].trainer):
        return reason
    for one in group[1:]:
        plans.append(replace(build(one.config), dataset=dataset))
        jobs.append(prepare(plans[-1], one.path, data=data))
    if reason := equivalence_error(jobs, plans[0].trainer):
        return reason
    _train(group, plans, jobs, steps)
    return ""


def _train(group: Sequence[Candidate], plans: Sequence[RunPlan], jobs: Sequence[Job], steps: int) -> None:
    # deferred: a sweep of which nothing is left to train needs none of this
    from aerun.trainer.fused.fit import fit

    go_on()  # what it takes is loaded
    folders = [Folder(one.path) for one in group]
    clock = Clock(folders, resume=steps > 0)
    scales = [decoder_scale(job.autoencoder) for job in jobs]
    opened = []
    for one, plan, job in zip(group, plans, jobs, strict=True):
        if not steps:
            clear(one.path)
        opened.append(open_folder(plan, job, job_command(one.typed), resume=steps > 0))
    with marked(folders, clock):
        errors = fit(opened, plans[0].trainer, resume=steps > 0, done=(done := dict[Path, Fitted]()))
    for folder, error in zip(folders, errors, strict=True):
        mark_trained(folder, clock, error, attempt())
    runs = zip(group, plans, opened, scales, errors, strict=True)
    keep_prepared(
        Prepared(one.given, plan, job, scale, done.get(job.folder)) for one, plan, job, scale, error in runs if error is None
    )
