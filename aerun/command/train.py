"""A run or a multirun through Hydra."""

import logging
import math
import os
import shlex
import signal
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from aerun.command import places
from aerun.command.started import is_left_to_the_first
from aerun.command.typed import FRESH_FLAG, made_ready, note_replaced, refuse_package
from aerun.core.errors import AerunError, FolderInUseError, StoppedError, TrainingError, line_of
from aerun.core.exits import FAILED, SUCCEEDED, TIME_LIMIT
from aerun.core.paths import all_paths, config_dir, is_url, seen_from
from aerun.core.text import say
from aerun.evaluate.verdict import verdict
from aerun.report import banner, terminal
from aerun.runs.folder import Folder
from aerun.runs.lock import alone
from aerun.runs.status import mark_refused
from aerun.settings.explain import NO_PLACE
from aerun.settings.hydra_words import UNLIKE
from aerun.settings.overrides import job_command, refuse_idle_lambda, resolved
from aerun.settings.replaced import as_typed, replaced
from aerun.sweep import pace
from aerun.sweep.grid import Grid, name_in, outcomes
from aerun.sweep.job import DONE, FRESH, RESUME, clear, refused, state
from aerun.sweep.launchers import ended
from aerun.sweep.plan import SweepPlan, one_by_one, plan_sweep
from aerun.sweep.planned import Planned
from aerun.sweep.search_summary import tell
from aerun.sweep.worker import init_worker

if TYPE_CHECKING:
    from aerun.sweep.study import Opened

log = logging.getLogger("aerun")


_fresh = False  # whether what aerun wrote in the run's folder is removed first
_typed_in = Path()  # the folder in which the command was typed
_failures: list[Exception] = []  # of this process; a job's failure never stops the others of a sweep


def run() -> int:
    """Hand the command line to Hydra; then say what failed."""
    global _fresh, _typed_in
    _typed_in = Path.cwd()
    stop_on_signals()
    warnings.filterwarnings("error", NO_PLACE, UserWarning)  # Hydra goes on without a place that it was told to search
    os.environ["AERUN_COMMAND"] = shlex.join(["aerun", *(word for word in sys.argv[1:] if word != FRESH_FLAG)])  # also for jobs
    _fresh = FRESH_FLAG in sys.argv
    sys.argv[1:] = made_ready([word for word in sys.argv[1:] if word != FRESH_FLAG])
    if is_left_to_the_first(sys.argv[1:]):
        return 0
    planned = plan_sweep(sys.argv[1:], command(), _fresh)
    if planned is None:
        refuse_package(sys.argv[1:])
        note_replaced(sys.argv[1:])
        _hydra()
        if _failures:
            raise _failures[0]
        return 0
    sys.argv = [*(word for word in sys.argv if word not in planned.withheld), *planned.overrides]
    return _grid(planned) if planned.study is None else _search(planned.folder, planned.grid, planned.study)


def _grid(planned: SweepPlan) -> int:
    folder = planned.folder
    os.environ["AERUN_ATTEMPT"] = f"{os.getpid()}-{time.time_ns()}"
    pace.begin(folder, planned.grid.jobs)
    try:
        if planned.fuse is not None:
            planned.fuse()
        _hydra()
    finally:
        pace.end()
        followed = {name_in(folder, typed, planned.grid): typed for typed in Planned.followed}
        finished, failed = outcomes(folder, {**planned.grid.jobs, **followed})
        if finished or failed:
            terminal.sweep(finished, failed, _shown(folder.resolve()), planned.objective)
    return FAILED if failed else SUCCEEDED


def _search(folder: Path, grid: Grid, study: "AbstractContextManager[Opened]") -> int:
    with study as opened:
        grid.save(folder)
        sys.argv += opened.overrides
        try:
            _hydra()
        finally:
            failed = tell(opened, folder, grid, _shown(folder.resolve()))
    return FAILED if failed else SUCCEEDED


def _hydra() -> None:
    with ended():
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")(job)()


def job(cfg: DictConfig | dict[str, Any]) -> float | tuple[float, ...]:
    """Return one run of a composed config; returns its objective, or a tuple of them, to the sweeper.

    Launchers import it by name. cfg: also the plain settings of a job, as the plan of its sweep has composed them.

    A failed run returns NaN and is told at the end: it never stops the others of a sweep.
    """
    about = HydraConfig.get()
    typed, path = as_typed(about.overrides.task), Path(about.runtime.output_dir)
    many = about.mode == RunMode.MULTIRUN
    try:
        if "dataset" not in about.runtime.choices:
            raise AerunError(f"dataset: {UNLIKE}")
        for line in replaced(about).values():
            log.log(logging.INFO if many else logging.WARNING, line)  # of a sweep the plan has said it once
        plain = deepcopy(dict(cfg)) if isinstance(cfg, dict) else resolved(cfg, about)
        init_worker(about)
        refuse_idle_lambda(plain, typed)
        return _of_sweep(plain, typed, path) if many else _alone(plain, path, about.runtime.choices["dataset"])
    except StoppedError as e:
        if e.code != TIME_LIMIT:
            raise
        return math.nan
    except Exception as e:
        if not isinstance(e, FolderInUseError):
            log.info("%s: %s", type(e).__name__, e, exc_info=not isinstance(e, AerunError))  # for the log file
        _failures.append(e)
        if many:
            if not isinstance(e, FolderInUseError):
                mark_refused(Folder(path), e)
            say(f"\t   failed: {line_of(e)}")
            _say_pace()
        return math.nan


def _alone(plain: dict[str, Any], path: Path, dataset: str) -> float:
    # deferred: completion needs no torch
    from aerun.train import train

    metrics = train(plain, path, command(), fresh=_fresh, begun=partial(banner.begin, _shown(path)))
    source = [one if is_url(one) else str(_shown(Path(one))) for one in all_paths(plain["dataset"].get("path"))]
    terminal.results(metrics, f"{plain['model']['name']} on {dataset}", _shown(path), source)
    return float(metrics["objective"])


def _of_sweep(plain: dict[str, Any], typed: list[str], path: Path) -> float | tuple[float, ...]:
    """Return one job of a sweep: what is complete is not done again, what was stopped goes on, what failed begins anew."""
    # deferred: completion needs no torch
    from aerun.train import train

    with alone(path) as mine:
        if not mine:
            say("\t   another process is at work on this job")
            return math.nan
        if why := refused(path):
            raise TrainingError(why)
        left, why = state(path, plain)
        if why:
            say(f"\t   {why}{': trained anew' if left == FRESH else ''}")
        if left == FRESH:
            clear(path)
        if left == DONE and Folder(path).relabel(plain):
            say("\t   has the tags and notes that are typed now")
        done = Folder(path).read() if left == DONE else None
        metrics = done or train(plain, path, job_command(typed), resume=left == RESUME, in_sweep=True)
    say(f"\t   {_how(left, metrics, path)}SE {metrics['test/se']:.4g}, {verdict(metrics)}")
    _say_pace()
    several = plain["objective"]
    return float(metrics["objective"]) if isinstance(several, str) else tuple(float(metrics[key]) for key in several)


def _say_pace() -> None:
    if words := pace.pace():
        say(f"\t   {words}")


def _how(left: str, metrics: Mapping[str, Any], path: Path) -> str:
    """Return how a job came to its end, and its name where jobs at the same time end in any order."""
    how = {DONE: "complete already, ", RESUME: "gone on with, "}.get(left, "")
    how = f"trained as one of {metrics['fused']}, " if left == RESUME and metrics["fused"] > 1 else how
    return how if one_by_one() else f"{path.name}: {how}"


def command() -> str:
    """Return the command as it was typed, ready to paste."""
    return os.environ.get("AERUN_COMMAND") or shlex.join(["aerun", *sys.argv[1:]])


def stop_on_signals() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP end the run in order, with exit codes 130, 143 and 129.

    SIGHUP stays ignored under nohup.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_IGN)
        raise StoppedError(128 + signum)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)


def _shown(path: Path) -> Path:
    """Return relative to where the command was typed, where that is shorter to type; hydra.job.chdir leads elsewhere."""
    return seen_from(_typed_in, path)


places.register()
