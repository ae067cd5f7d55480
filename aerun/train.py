"""One run, read aloud: config -> objects -> check -> data -> fit -> test -> results."""

import errno
import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from aerun.build import Plan, build
from aerun.dataset.base import Data, verified
from aerun.errors import StoppedError, TrainingError
from aerun.evaluate.pictures import reconstructions
from aerun.evaluate.reconstruction import report
from aerun.folder import Folder, surroundings
from aerun.trainer.joint import Fitted, Job

log = logging.getLogger("aerun")

_SHIFT = 1.3  # growth of the decoder's scale that is told
_CONSTANT = 0.98  # share of the training mean's error from which a reconstruction counts as constant


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
    data = verified(
        plan.dataset.load(), plan.facts, str(cfg["dataset"].get("_target_", "")).rpartition(".")[0].rpartition(".")[2]
    )
    folder = Folder(path)
    folder.open(cfg, command)
    try:
        results = _fit_and_test(plan, data, folder, cfg, resume)
        results["seconds"] = time.perf_counter() - started
        results["objective"] = _objective(results, plan.objective)
        folder.results(results)
    except StoppedError as e:
        e.folder = str(path)
        folder.mark(str(e), seconds=time.perf_counter() - started)
        raise
    except Exception as e:
        full = f"the disk is full: training stopped, the last good checkpoint in {path} is kept."
        error: Exception = TrainingError(full) if _disk_full(e) else e
        folder.mark("failed", error=f"{type(error).__name__}: {error}", seconds=time.perf_counter() - started)
        raise error from e.__cause__
    return results


def _fit_and_test(plan: Plan, data: Data, folder: Folder, cfg: Mapping[str, Any], resume: bool) -> dict[str, Any]:
    model = plan.autoencoder
    model.start_from(data.train.x)
    scale = _decoder_scale(plan)
    clock = time.perf_counter()
    fitted = plan.trainer.fit(Job(model, data, plan.optimizer, plan.schedule, plan.seed, folder.path, cfg), resume)
    seconds = time.perf_counter() - clock
    growth = _decoder_scale(plan) / scale
    _scale_shift(plan, growth)
    _draw(plan, data, folder, fitted)
    figures = report(model, data, fitted.device, int(cfg["model"]["latent_dim"]))
    _collapse(figures, model.terms)
    return {
        "status": "completed",
        "seed": plan.seed,
        **fitted.metrics,
        **figures,
        **{f"effective_lambda/{k}": model.effective_lambda(k, None) for k in model.terms},
        "latent_dim": int(cfg["model"]["latent_dim"]),
        "features": model.facts.size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "decoder_growth": growth,
        "best_epoch": fitted.best_epoch,
        "epochs": fitted.epochs,
        "samples/train": len(data.train),
        "samples/val": len(data.val),
        "samples/test": len(data.test),
        "backend": fitted.backend,
        "seconds/fit": seconds,
        "seconds/epochs": fitted.seconds,
        **surroundings(),
    }


def _objective(results: Mapping[str, Any], name: str) -> float:
    """The figure that a sweep compares. A non-finite one is a failed run, not a silent zero."""
    value = results[name]
    if not math.isfinite(value):
        raise TrainingError(f"objective={name} is not finite ({value}).")
    return float(value)


def _decoder_scale(plan: Plan) -> float:
    """Mean norm of the decoder's columns over that of the encoder's rows: who carries the scale of the code (tied: 1)."""
    arch = plan.autoencoder.arch
    columns, rows = arch.decoder_weights()[0].detach().norm(dim=0), arch.encoder_weights()[-1].detach().norm(dim=1)
    return float(columns.mean() / rows.mean().clamp_min(1e-12))


def _scale_shift(plan: Plan, growth: float) -> None:
    """Warn where a penalty on the code's size may have been met by a larger decoder instead of a better code."""
    model = plan.autoencoder
    fooled = [k for k, t in model.terms.items() if t.regularizer.shrinks_code and model.weight(k, None) > 0]
    if fooled and growth > _SHIFT:
        log.warning(
            "ScaleShift: under %s the decoder grew %.2f times against the encoder, so the penalty may have shrunk the code "
            "instead of shaping it. Use model.arch.tied=true%s.",
            ", ".join(fooled),
            growth,
            " or reg.terms.l1.norm_weighted=true" if "l1" in fooled else "",
        )


def _collapse(figures: Mapping[str, float], terms: Collection[str]) -> None:
    """Warn where the code carries nothing."""
    if figures["test/se"] >= _CONSTANT * figures["mean/se"]:
        log.warning(
            "Collapse: the reconstruction is no better than the training mean, so the code carries nothing. Train longer%s.",
            ", lower reg.lambda, or let it rise slowly with reg.terms.NAME.warmup=0.5" if terms else "",
        )


def _draw(plan: Plan, data: Data, folder: Folder, fitted: Fitted) -> None:
    if plan.facts.kind != "image":
        return
    from PIL import Image

    where = folder.path / "pictures"
    where.mkdir(exist_ok=True)
    picture = reconstructions(plan.autoencoder, data.val.x[:8].to(fitted.device))
    Image.fromarray(picture).save(where / "reconstructions.png")


def _disk_full(e: BaseException | None) -> bool:
    """Was a full disk (or quota) the cause? torch wraps it in its own errors."""
    while e is not None:
        if isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        e = e.__cause__ or e.__context__
    return False
