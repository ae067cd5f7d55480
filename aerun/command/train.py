"""A run or a multirun through Hydra."""

import logging
import math
import os
import shlex
import sys
import warnings
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from aerun.command import bill, places
from aerun.command.started import is_left_to_the_first
from aerun.command.typed import FRESH_FLAG, made_ready, note_replaced, refuse_package
from aerun.core.collector import go_on
from aerun.core.errors import AerunError, FolderInUseError, StoppedError
from aerun.core.exits import TIME_LIMIT
from aerun.core.paths import all_paths, config_dir, is_url, seen_from
from aerun.core.signals import stop_on_signals
from aerun.report import banner, terminal
from aerun.settings.explain import NO_PLACE
from aerun.settings.hydra_words import UNLIKE
from aerun.settings.overrides import refuse_idle_lambda, resolved
from aerun.settings.replaced import as_typed, replaced
from aerun.sweep.launchers import ended
from aerun.sweep.mode import is_multirun, told_by_flags
from aerun.sweep.worker import init_worker

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
    os.environ["AERUN_COMMAND"] = shlex.join(
        ["aerun", *(word for word in sys.argv[1:] if word not in (FRESH_FLAG, bill.FLAG))]
    )  # also for jobs
    _fresh = FRESH_FLAG in sys.argv
    billed = bill.FLAG in sys.argv
    sys.argv[1:] = made_ready([word for word in sys.argv[1:] if word not in (FRESH_FLAG, bill.FLAG)])
    if is_left_to_the_first(sys.argv[1:]):
        return 0
    if is_multirun(sys.argv[1:]):
        go_on()  # the plan composes a config for each of many jobs
        # deferred: a single run needs nothing of sweeps
        from aerun.command.multirun import run as run_all

        return run_all(command(), _fresh, _hydra, _shown, billed)
    if billed:
        return bill.run(sys.argv[1:])
    refuse_package(sys.argv[1:])
    note_replaced(sys.argv[1:])
    _hydra()
    if _failures:
        raise _failures[0]
    return 0


def _hydra() -> None:
    with ended(), told_by_flags():
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
            _tell_failure(path, e)
        return math.nan


def _alone(plain: dict[str, Any], path: Path, dataset: str) -> float:
    # deferred: completion needs no torch
    from aerun.train import train

    metrics = train(plain, path, command(), fresh=_fresh, begun=partial(banner.begin, _shown(path)))
    source = [one if is_url(one) else str(_shown(Path(one))) for one in all_paths(plain["dataset"].get("path"))]
    terminal.results(metrics, f"{plain['model']['name']} on {dataset}", _shown(path), source)
    return float(metrics["objective"])


def _of_sweep(plain: dict[str, Any], typed: list[str], path: Path) -> float | tuple[float, ...]:
    # deferred: a single run needs nothing of sweeps
    from aerun.command.multirun import job

    return job(plain, typed, path)


def _tell_failure(path: Path, error: Exception) -> None:
    # deferred: as that
    from aerun.command.multirun import tell_failure

    tell_failure(path, error)


def command() -> str:
    """Return the command as it was typed, ready to paste."""
    return os.environ.get("AERUN_COMMAND") or shlex.join(["aerun", *sys.argv[1:]])


def _shown(path: Path) -> Path:
    """Return relative to where the command was typed, where that is shorter to type; hydra.job.chdir leads elsewhere."""
    return seen_from(_typed_in, path)


places.register()
