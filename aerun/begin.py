"""A run before it trains: its data read, its model started from them, its folder open.

Jobs of one command share their data, and find again what was trained for several of them as one.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from aerun.build import Config, RunPlan, build, dataset_of
from aerun.compose import option
from aerun.core.collector import go_on
from aerun.core.errors import FolderInUseError
from aerun.core.logs import quiet_aerun
from aerun.core.seeding import seed_all
from aerun.dataset.base import Dataset, validate_data
from aerun.dataset.splits import Data
from aerun.dataset.storage.fingerprint import fingerprint, listed
from aerun.evaluate import health
from aerun.logger.base import About
from aerun.logger.several import Loggers
from aerun.preparation.stored import plain
from aerun.report import banner
from aerun.runs.fingerprint import change
from aerun.runs.folder import Folder
from aerun.runs.identity import identity
from aerun.runs.reuse import remove_leftovers
from aerun.settings.auto import as_saved
from aerun.settings.shells import retyped
from aerun.trainer.base import Fitted, Job

log = logging.getLogger("aerun")

_last: dict[str, Any] = {}  # the data that jobs of a sweep share: those of the last one
_MOST = 256  # runs that wait for their jobs in memory
_prepared: dict[tuple[str, Path], "Prepared"] = {}  # runs that this command has trained as one, in this process


class Prepared(NamedTuple):
    """A run whose folder is open. config: as its job has it. scale: of its decoder before training.

    fitted: what training reports, where the model has its best weights already.
    """

    config: Mapping[str, Any]
    plan: RunPlan
    job: Job
    scale: float
    fitted: Fitted | None = None


def ready(
    cfg: Config, path: Path, command: str, resume: bool, trusted: Sequence[str] | None = None, in_sweep: bool = False
) -> Prepared:
    """Return a run that may begin, its folder open: where this command has trained it with others, that one."""
    kept = _prepared.pop(_key(path), None)
    if kept is None or not resume or kept.config != cfg:
        return _opened(cfg, Folder(path), command, resume, trusted, in_sweep)
    _tell_plan(kept.plan)
    seed_all(kept.plan.seed)  # as making its model would leave them
    return kept


def _opened(cfg: Config, folder: Folder, command: str, resume: bool, trusted: Sequence[str] | None, in_sweep: bool) -> Prepared:
    """Return a run that may begin, its folder open."""
    plan = build(as_saved(cfg, folder.config()) if resume else cfg, trusted)
    go_on()  # what it takes is loaded; the data are next
    data = None
    if in_sweep and not trusted:
        dataset, data = of_command(plan)
        plan = replace(plan, dataset=dataset)
    _tell_plan(plan)
    job = open_folder(plan, prepare(plan, folder.path, trusted, data), command, resume)
    return Prepared(cfg, plan, job, health.decoder_scale(job.autoencoder))


def _tell_plan(plan: RunPlan) -> None:
    for warning in plan.warnings:
        log.warning(warning)


def keep_prepared(runs: Iterable[Prepared]) -> None:
    """Keep runs that were trained as one, until their own jobs find them: at most so many as take little memory."""
    for key in [key for key in _prepared if key[0] != _attempt()]:
        del _prepared[key]  # of a command that was interrupted
    _prepared.update({_key(run.job.folder): run for run in islice(runs, max(0, _MOST - len(_prepared)))})


def _attempt() -> str:
    """Return the mark of this command."""
    return os.environ.get("AERUN_ATTEMPT", "")


def _key(path: Path) -> tuple[str, Path]:
    return _attempt(), path.resolve()


def prepare(plan: RunPlan, path: Path, trusted: Sequence[str] | None = None, data: Data | None = None) -> Job:
    """Read the plan's data, unless `data` are there; start the model from them; return what a trainer needs.

    Raises AerunError for data that are missing, damaged, or not what the plan was built for.
    """
    if data is None:
        data = validate_data(plan.dataset.load(), plan.facts, option(plan.dataset))
    if data.train.w is not None:
        plan.trainer.refuse_weights(plan.autoencoder)
    plan.autoencoder.start_from(data.train.x)
    return Job(
        plan.autoencoder,
        data,
        plan.optimizer,
        plan.schedule,
        plan.seed,
        path,
        plan.config,
        callbacks=plan.callbacks,
        trusted=trusted,
    )


def of_command(plan: RunPlan) -> tuple[Dataset, Data]:
    """Return a plan's data set and its data as the first job of this command with the same settings of data has read them."""
    command = os.environ.get("AERUN_ATTEMPT")
    words = json.dumps(plan.config["dataset"], sort_keys=True, default=str), command
    if command is None or _last.get("words") != words:
        _last.clear()
        data = validate_data(plan.dataset.load(), plan.facts, option(plan.dataset))
        _last.update(words=words, found=(plan.dataset, data))
    found: tuple[Dataset, Data] = _last["found"]
    return found


def open_folder(plan: RunPlan, job: Job, command: str, resume: bool) -> Job:
    """Write down what is about to run, how long, and on which data; return the job with its identity.

    Raises AerunError where a run would go on with other data than before.
    """
    assert job.config is not None
    folder, now = Folder(job.folder), fingerprint(plan.dataset.compared_samples(job.data))
    if resume and (changed := change(folder.read("run.json").get("data") or {}, now)):
        raise FolderInUseError(
            f"{folder.path}: the data have changed since this run began: {changed}. It would be a mix of old and new: put the "
            f"old data back, or begin anew in another folder: {retyped(command)}"
        )
    remove_leftovers(folder.path)
    length = plan.trainer.set_length(job.autoencoder, len(job.data.train), folder.planned_epochs() if resume else None)
    folder.open(job.config, command, {**now, **listed(plan.dataset.files_read())}, length.plain())
    folder.describe(asdict(plan.facts), plain(plan.autoencoder.preparation), plan.dataset.stored_reading())
    job = replace(job, identity=identity(job.config, now))
    terms = job.autoencoder.keys(training=True)
    about = About(job.folder, job.config, command, banner.lines(plan, job), terms)
    return replace(job, loggers=Loggers(plan.loggers, about))


def data_change(cfg: Config, path: Path) -> str:
    """Return what of the data of this config is not as the run in the folder `path` had it, in words; empty where nothing is.

    The data are read for it, once a command. Raises AerunError where they cannot be.
    """
    before = Folder(path).read("run.json").get("data") or {}
    return change(before, data_of(cfg)) if before else ""


def data_of(cfg: Config) -> dict[str, Any]:
    """Return the fingerprint of the data that a run of this config would read. Raises AerunError where they cannot be read."""
    return _read_now(json.dumps(cfg["dataset"]), os.environ.get("AERUN_ATTEMPT", ""))


@lru_cache(maxsize=8)
def _read_now(dataset: str, command: str) -> dict[str, Any]:
    with quiet_aerun():  # the run itself says what is to be said of its data
        source = dataset_of({"dataset": json.loads(dataset)})
        return fingerprint(source.compared_samples(source.load()))
