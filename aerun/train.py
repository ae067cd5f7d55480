"""The one pipeline of a run, read aloud: config -> objects -> data -> fit -> test -> results.

The command line, Python, scikit-learn, `aerun resume` and experiments call `train`. What trains several runs as one, and what a
further process of a run does, begins with `aerun.begin` and leaves the rest to it.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from aerun import pictures
from aerun.begin import Prepared, ready
from aerun.bill.past import watch
from aerun.build import Config, RunPlan
from aerun.core.errors import TrainingError
from aerun.core.text import counted
from aerun.evaluate import health
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.evaluate.reconstruction import report
from aerun.evaluate.suite import ask_all
from aerun.evaluate.survey import told_of
from aerun.evaluate.verdict import verdict
from aerun.inference.notes import cells_of
from aerun.logger.rows import last_epoch
from aerun.logger.several import Loggers
from aerun.pictures.canvas import album
from aerun.report import terminal
from aerun.runs import reference
from aerun.runs.folder import Folder
from aerun.runs.lock import claimed
from aerun.runs.reuse import clear, goes_on, remark
from aerun.runs.status import PAUSED, Clock, marked
from aerun.settings.targets import own_modules
from aerun.trained import Trained
from aerun.trainer.base import Fitted, Job
from aerun.trainer.finish import finish

T = TypeVar("T")
Begun = Callable[[RunPlan, Job], None]
Pause = Callable[[int], int]  # epochs of the whole training -> epochs after which it stops for now

log = logging.getLogger("aerun")


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
    pause: Pause | None = None,
) -> dict[str, Any]:
    """Run a resolved config in the folder `path`; return its results. See `Folder` for what is left there.

    resume: go on from the last checkpoint there; None: where this config's own unfinished run is in the folder, and any other
    folder that was used before is refused, see `goes_on`. fresh: first remove what aerun wrote there. tested: judge the model
    on the test split, draw and ask what the config wants; else it is trained and nothing more. begun: called with the plan and
    the job before training. in_sweep: one of many runs; of the default pictures only those of `pictures.of_sweep` are drawn.
    pause: where training stops for now: the run is then `paused`, its results are those of training so far, and with `resume`
    it goes on as if it had not been stopped.
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
        return _run(cfg, path, command, bool(resume or by_itself), trusted, tested, _told(said, begun), in_sweep, pause)


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
    pause: Pause | None,
) -> dict[str, Any]:
    """See `train`; no other process is at work in the folder."""
    folder = Folder(path)
    clock, watched = Clock([folder], resume), None if resume else watch(cfg)
    first = ready(cfg, path, command, resume, trusted, in_sweep)
    few = in_sweep and cfg.get("pictures") in ("default", ["default"])
    plan = replace(first.plan, pictures=pictures.of_sweep(first.plan.pictures)) if few else first.plan
    job = replace(first.job, drawn=not few, pause=pause and pause(plan.trainer.max_epochs))
    begun(plan, job)
    with marked([folder], clock), _logged(job) as loggers:
        trained, results = _fitted(plan, job, resume, first)
        paused = results["status"] == PAUSED
        if paused:
            loggers.close()
        elif tested:
            results |= judged(plan, trained, folder, results["decoder_growth"], loggers)
        else:
            reference.write(trained, path)
        results |= {**folder.about(), "seconds": clock.seconds(folder)}
        if tested and not paused:
            results["objective"] = _objective(results, plan.objectives)
            results["verdict"] = verdict(results)
            log.info("test/se %.6g, pca/se %.6g, objective %.6g", *(results[k] for k in ("test/se", "pca/se", "objective")))
        if not paused:
            _finish(plan, folder, results, loggers)
        folder.results(results)
    if watched is not None and tested and not paused:
        watched.ended(path, results["epochs"], os.environ.get("AERUN_ATTEMPT", ""))
    return results


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


def _fitted(plan: RunPlan, job: Job, resume: bool, first: Prepared) -> tuple[Trained, dict[str, Any]]:
    """Train, unless that is done; return the model and what is known of the run before it is tested."""
    fitted, seconds = (first.fitted, 0.0) if first.fitted is not None else _timed(lambda: plan.trainer.fit(job, resume))
    finished = finish(job, fitted)
    trained = Trained(job.autoencoder, plan.dataset, fitted.device, plan.seed, job.data)
    growth = health.decoder_scale(job.autoencoder) / first.scale if first.scale else math.nan  # a decoder that began at 0
    return trained, {**_of_training(plan, job, fitted, seconds), **finished, "decoder_growth": growth}


def _of_training(plan: RunPlan, job: Job, fitted: Fitted, seconds: float) -> dict[str, Any]:
    model, data = job.autoencoder, job.data
    return {
        "status": PAUSED if fitted.paused else "completed",
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
        **({"stopped": _time_words(plan, fitted)} if fitted.out_of_time else {}),
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


def _time_words(plan: RunPlan, fitted: Fitted) -> str:
    """Return in one line that the time of training ended it, and say so."""
    trained = f"{counted(fitted.epochs, 'epoch')} of {plan.trainer.max_epochs}"
    words = f"trainer.max_time ended training after {trained}: the best so far, epoch {fitted.best_epoch + 1}, is evaluated"
    log.warning("%s; aerun resume RUN --time LONGER goes on", words)
    return words


def judged(plan: RunPlan, trained: Trained, folder: Folder, growth: float, loggers: Loggers) -> dict[str, Any]:
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
