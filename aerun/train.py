"""The one pipeline of a run, read aloud: config -> objects -> data -> fit -> test -> results.

The command line, Python, scikit-learn, `aerun resume` and experiments call `train`. What trains several runs as one, and what a
further process of a run does, begins with `prepare` and `open_folder` and leaves the rest to it.
"""

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from aerun import pictures
from aerun.build import Config, RunPlan, build, dataset_of
from aerun.compose import option
from aerun.core.collector import go_on
from aerun.core.errors import FolderInUseError, TrainingError
from aerun.core.logs import quiet_aerun
from aerun.core.seeding import seed_all
from aerun.dataset.base import Dataset, validate_data
from aerun.dataset.splits import Data
from aerun.dataset.storage.fingerprint import fingerprint, listed
from aerun.evaluate import health
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.evaluate.reconstruction import report
from aerun.evaluate.suite import ask_all
from aerun.evaluate.survey import told_of
from aerun.evaluate.verdict import verdict
from aerun.inference.notes import cells_of
from aerun.logger.base import About
from aerun.logger.rows import last_epoch
from aerun.logger.several import Loggers
from aerun.pictures.canvas import album
from aerun.preparation.stored import plain
from aerun.report import banner, terminal
from aerun.runs import reference
from aerun.runs.fingerprint import change
from aerun.runs.folder import Folder
from aerun.runs.identity import identity
from aerun.runs.lock import claimed
from aerun.runs.reuse import clear, goes_on, remark, remove_leftovers
from aerun.runs.status import Clock, marked
from aerun.settings.auto import as_saved
from aerun.settings.shells import retyped
from aerun.settings.targets import own_modules
from aerun.trained import Trained
from aerun.trainer.base import Fitted, Job

T = TypeVar("T")
Begun = Callable[[RunPlan, Job], None]

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


def train(
    cfg: Config,
    path: Path,
    command: str,
    resume: bool | None = None,
    trusted: Sequence[str] | None = None,
    tested: bool = True,
    fresh: bool = False,
    begun: Begun | None = None,
    in_sweep: bool = False,
) -> dict[str, Any]:
    """Run a resolved config in the folder `path`; return its results. See `Folder` for what is left there.

    resume: go on from the last checkpoint there; None: where this config's own unfinished run is in the folder, and any other
    folder that was used before is refused, see `goes_on`. fresh: first remove what aerun wrote there. tested: judge the model
    on the test split, draw and ask what the config wants; else it is trained and nothing more. begun: called with the plan and
    the job before training. in_sweep: one of many runs; of the default pictures only those of `pictures.of_sweep` are drawn.
    Raises AerunError for a mistake of the user's (nothing but the log is then written), and where
    another process is at work there, TrainingError where training could not go on, StoppedError on Ctrl-C, SIGTERM or SIGHUP.
    """
    if resume is None and not fresh:
        goes_on(path, cfg)  # what is refused leaves nothing behind, not even a lock
    with claimed(path):
        if fresh:
            clear(path, pictures.names())
        by_itself = resume is None and not fresh and goes_on(path, cfg)
        said = remark(path) if by_itself else ""
        return _run(cfg, path, command, bool(resume or by_itself), trusted, tested, _told(said, begun), in_sweep)


def _told(said: str, begun: Begun | None) -> Begun:
    """Return what is done once a run may begin: say `said`, and call `begun`."""

    def tell(plan: RunPlan, job: Job) -> None:
        if said:
            log.warning("%s", said)
        if begun is not None:
            begun(plan, job)

    return tell


def _run(
    cfg: Config,
    path: Path,
    command: str,
    resume: bool,
    trusted: Sequence[str] | None,
    tested: bool,
    begun: Begun,
    in_sweep: bool,
) -> dict[str, Any]:
    """See `train`; no other process is at work in the folder."""
    folder = Folder(path)
    clock = Clock([folder], resume)
    ready = _prepared.pop(_key(path), None)
    if ready is None or not resume or ready.config != cfg:
        ready = _opened(cfg, folder, command, resume, trusted, in_sweep)
    else:
        _tell_plan(ready.plan)
        seed_all(ready.plan.seed)  # as making its model would leave them
    few = in_sweep and cfg.get("pictures") in ("default", ["default"])
    plan = replace(ready.plan, pictures=pictures.of_sweep(ready.plan.pictures)) if few else ready.plan
    job = replace(ready.job, drawn=not few)
    begun(plan, job)
    with marked([folder], clock), _logged(job) as loggers:
        trained, results = _fitted(plan, job, resume, ready)
        if tested:
            results |= _tested(plan, trained, folder, results["decoder_growth"], loggers)
        else:
            reference.write(trained, path)
        results |= {**folder.about(), "seconds": clock.seconds(folder)}
        if tested:
            results["objective"] = _objective(results, plan.objectives)
            results["verdict"] = verdict(results)
            log.info("test/se %.6g, pca/se %.6g, objective %.6g", *(results[k] for k in ("test/se", "pca/se", "objective")))
        _finish(plan, folder, results, loggers)
        folder.results(results)
    return results


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


@contextmanager
def _logged(job: Job) -> Iterator[Loggers]:
    """Yield the loggers of a job; where it fails, they are told."""
    assert job.loggers is not None
    try:
        yield job.loggers
    except BaseException:
        job.loggers.fail()
        raise


def _finish(plan: RunPlan, folder: Folder, results: Mapping[str, Any], loggers: Loggers) -> None:
    """Log what a run that is done has come to."""
    path, here = folder.path, Path.cwd()
    source = plan.config["dataset"].get("path")
    following = terminal.next_commands(results, path.relative_to(here) if path.is_relative_to(here) else path, source)
    loggers.finish(_with_ratio(results), plan.objectives[0], following, last_epoch(path))


def _with_ratio(results: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return results with pca_ratio, test/se over that of PCA of the same size; left out where PCA is exact."""
    if "pca/se" not in results or pca_is_exact(results):
        return results
    return {**results, "pca_ratio": results["test/se"] / results["pca/se"]}


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


def _fitted(plan: RunPlan, job: Job, resume: bool, ready: Prepared) -> tuple[Trained, dict[str, Any]]:
    """Train, unless that is done; return the model and what is known of the run before it is tested."""
    fitted, seconds = (ready.fitted, 0.0) if ready.fitted is not None else _timed(lambda: plan.trainer.fit(job, resume))
    trained = Trained(job.autoencoder, plan.dataset, fitted.device, plan.seed, job.data)
    growth = health.decoder_scale(job.autoencoder) / ready.scale
    return trained, {**_of_training(plan, job, fitted, seconds), "decoder_growth": growth}


def _of_training(plan: RunPlan, job: Job, fitted: Fitted, seconds: float) -> dict[str, Any]:
    model, data = job.autoencoder, job.data
    return {
        "status": "completed",
        "seed": plan.seed,
        "task": plan.task,
        "kind": plan.facts.kind,
        **({"unmeasured": plan.unmeasured} if plan.unmeasured else {}),
        **({"told": words} if (words := plan.dataset.told_words) else {}),
        **({"own_modules": modules} if (modules := own_modules(plan.config)) else {}),
        **fitted.metrics,
        **{f"effective_lambda/{k}": model.effective_lambda(k, None) for k in model.terms},
        "latent_dim": int((job.config or {})["model"]["latent_dim"]),
        "code_elements": model.code_elements,
        **({"code_free": model.free_numbers} if model.free_numbers < model.code_elements else {}),
        "features": model.facts.size,
        "parameters": sum(p.numel() for p in model.own_parameters()),
        "bytes": sum(p.numel() * p.element_size() for p in model.own_parameters()),
        "best_epoch": fitted.best_epoch,
        "epochs": fitted.epochs,
        "planned_epochs": plan.trainer.max_epochs,
        "fused": fitted.fused,
        "samples/train": len(data.train),
        "samples/val": len(data.val),
        "samples/test": len(data.test),
        **told_of(plan.dataset, data),
        **cells_of(plan.dataset, model.preparation, data),
        "backend": fitted.backend,
        "seconds/fit": max(seconds, fitted.seconds),  # what was spent before an interruption is in the latter alone
        "seconds/epochs": fitted.seconds,
    }


def _tested(plan: RunPlan, trained: Trained, folder: Folder, growth: float, loggers: Loggers) -> dict[str, Any]:
    """Test, examine, draw and ask, in this order. growth: of the decoder's scale in training, see `health.decoder_scale`."""
    errors = list[Tensor]()
    figures: dict[str, Any] = report(trained, errors)
    folder.keep("test_errors.npy", torch.cat(errors).float().numpy())
    examined, figures["seconds/health"] = _timed(lambda: _examined(plan, trained, growth))
    reference.write(trained, folder.path)
    _, figures["seconds/pictures"] = _timed(lambda: album.draw_all(plan.pictures, trained, folder.path, loggers))
    applied = ask_all(plan.evaluate, trained, terminal.application)
    if applied:
        loggers.figures(applied, last_epoch(folder.path))
    return {**figures, **examined, **applied}


def _examined(plan: RunPlan, trained: Trained, growth: float) -> dict[str, float]:
    """Return the signs of health, and a warning for each that is bad."""
    signs = health.examine(trained)
    alarms = [] if plan.trainer.limit_batches else health.warnings(trained.autoencoder, signs)  # a few batches prove nothing
    for warning in (*health.scale_shift(trained.autoencoder, growth), *alarms):
        log.warning(warning)
    return signs


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def _objective(results: Mapping[str, Any], names: Sequence[str]) -> float:
    """Return the figure that a sweep compares, the first. A non-finite one of them is a failed run, not a silent zero."""
    for name in names:
        value = results.get(name)
        if value is None:
            raise TrainingError(f"objective={name}: this run has no such figure.")
        if not math.isfinite(value):
            raise TrainingError(f"objective={name} is not finite ({value}).")
    return float(results[names[0]])
