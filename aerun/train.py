"""One run, read aloud: config -> objects -> check -> data -> fit -> test -> results."""

import errno
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aerun.build import RunPlan, build
from aerun.compose import option
from aerun.core.errors import StoppedError, TrainingError
from aerun.dataset.base import validate_data
from aerun.evaluate import health
from aerun.evaluate.reconstruction import report
from aerun.evaluate.suite import ask_all, to_board
from aerun.pictures.canvas import album
from aerun.preparation.stored import plain
from aerun.report import terminal
from aerun.runs import reference
from aerun.runs.folder import Folder
from aerun.trained import Trained
from aerun.trainer.base import Job

log = logging.getLogger("aerun")


def train(
    cfg: Mapping[str, Any],
    path: Path,
    command: str,
    resume: bool = False,
    trusted: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Run a resolved config in the folder `path`; return its results. See `Folder` for what is left there.

    Raises AerunError for a mistake of the user's (nothing but the log is then written), TrainingError where training
    could not go on, StoppedError on Ctrl-C or SIGTERM.
    """
    started = time.perf_counter()
    plan = build(cfg, trusted)
    for warning in plan.warnings:
        log.warning(warning)
    data = validate_data(plan.dataset.load(), plan.facts, option(plan.dataset))
    folder = Folder(path)
    started -= float(folder.read().get("seconds") or 0.0) if resume else 0.0  # what was spent before the interruption
    folder.open(cfg, command)
    try:
        folder.describe(asdict(plan.facts), plain(plan.autoencoder.preparation), plan.dataset.stored_reading())
        job = Job(plan.autoencoder, data, plan.optimizer, plan.schedule, plan.seed, path, cfg, trusted=trusted)
        results = _fit_and_test(plan, job, folder, cfg, resume)
        results["seconds"] = time.perf_counter() - started
        results["objective"] = _objective(results, plan.objectives)
        folder.results(results)
        album.results(folder.path, results)
        log.info("test/se %.6g, pca/se %.6g, objective %.6g", results["test/se"], results["pca/se"], results["objective"])
    except StoppedError as e:
        e.folder = str(path)
        folder.mark(str(e), seconds=time.perf_counter() - started)
        raise
    except SystemExit:  # by a cluster's handler of signals, which starts this job again
        folder.mark("stopped before its end", seconds=time.perf_counter() - started)
        raise
    except Exception as e:
        full = f"the disk is full: training stopped, the last good checkpoint in {path} is kept."
        error: Exception = TrainingError(full) if _disk_full(e) else e
        folder.mark("failed", error=f"{type(error).__name__}: {error}", seconds=time.perf_counter() - started)
        raise error from e.__cause__
    return results


def _fit_and_test(plan: RunPlan, job: Job, folder: Folder, cfg: Mapping[str, Any], resume: bool) -> dict[str, Any]:
    model, data = job.autoencoder, job.data
    model.start_from(data.train.x)
    scale = health.decoder_scale(model)
    clock = time.perf_counter()
    fitted = plan.trainer.fit(job, resume)
    seconds = time.perf_counter() - clock
    growth = health.decoder_scale(model) / scale
    trained = Trained(model, plan.dataset, fitted.device, plan.seed, data)
    errors = list[Tensor]()
    figures = report(trained, errors)
    folder.keep("test_errors.npy", torch.cat(errors).float().numpy())
    looked = time.perf_counter()
    found = health.examine(trained)
    looked = time.perf_counter() - looked
    told = [] if plan.trainer.limit_batches else health.warnings(model, found)  # a few batches prove nothing
    for warning in (*health.scale_shift(model, growth), *told):
        log.warning(warning)
    reference.write(trained, folder.path)
    drawn = time.perf_counter()
    album.draw_all(plan.pictures, trained, folder.path)
    drawn = time.perf_counter() - drawn
    applied = ask_all(plan.evaluate, trained, terminal.application)
    if applied:
        to_board(folder.path, applied, plan.trainer.max_epochs)
    return {
        "status": "completed",
        "seed": plan.seed,
        **fitted.metrics,
        **figures,
        **found,
        **applied,
        **{f"effective_lambda/{k}": model.effective_lambda(k, None) for k in model.terms},
        "latent_dim": int(cfg["model"]["latent_dim"]),
        "code_elements": model.code_elements,
        "features": model.facts.size,
        "parameters": sum(p.numel() for p in model.own_parameters()),
        "decoder_growth": growth,
        "best_epoch": fitted.best_epoch,
        "epochs": fitted.epochs,
        "fused": fitted.fused,
        "samples/train": len(data.train),
        "samples/val": len(data.val),
        "samples/test": len(data.test),
        "backend": fitted.backend,
        "seconds/fit": max(seconds, fitted.seconds),  # what was spent before an interruption is in the latter alone
        "seconds/epochs": fitted.seconds,
        "seconds/pictures": drawn,
        "seconds/health": looked,
        **folder.about(),
    }


def _objective(results: Mapping[str, Any], names: Sequence[str]) -> float:
    """The figure that a sweep compares, the first. A non-finite one of them is a failed run, not a silent zero."""
    for name in names:
        value = results.get(name)
        if value is None:
            raise TrainingError(f"objective={name}: this run has no such figure.")
        if not math.isfinite(value):
            raise TrainingError(f"objective={name} is not finite ({value}).")
    return float(results[names[0]])


def _disk_full(e: BaseException | None) -> bool:
    """Was a full disk (or quota) the cause? torch wraps it in its own errors."""
    while e is not None:
        if isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        e = e.__cause__ or e.__context__
    return False
