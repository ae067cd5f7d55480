"""What a checkpoint of several runs as one says of Lightning's loops: a run that was fused may go on alone, by them."""

from functools import cache
from importlib.metadata import version
from typing import Any

from aerun.trainer.fused.training import FusedTraining

_COUNTS = ("ready", "completed", "started", "processed")


def common(training: FusedTraining) -> dict[str, Any]:
    """Return what the checkpoints of all runs say at the end of an epoch, as Lightning's do of a run alone."""
    epochs, calls = training.current_epoch + 1, len(training.batches)
    return {
        "epoch": training.current_epoch,
        "global_step": epochs * calls,
        "pytorch-lightning_version": _lightning(),
        "loops": _loops(epochs, calls),
        "lr_schedulers": [],
        "steps": training.steps,
        "total": training.total,
        "fused": len(training.runs),
    }


@cache
def _lightning() -> str:
    return version("pytorch-lightning")


def _loops(epochs: int, calls: int) -> dict[str, Any]:
    """Return the state of Lightning's loops after so many epochs of so many calls."""
    done, step = epochs * calls, ("ready", "completed")
    zero_grad = _progress(0, 0, ("ready", "completed", "started"))
    fit = {
        "state_dict": {},
        "epoch_loop.state_dict": {"_batches_that_stepped": done},
        "epoch_loop.batch_progress": {**_progress(done, calls), "is_last_batch": True},
        "epoch_loop.scheduler_progress": _progress(0, 0, step),
        "epoch_loop.automatic_optimization.state_dict": {},
        "epoch_loop.automatic_optimization.optim_progress": {
            "optimizer": {"step": _progress(0, 0, step), "zero_grad": zero_grad}
        },
        "epoch_loop.manual_optimization.state_dict": {},
        "epoch_loop.manual_optimization.optim_step_progress": _progress(done, done, step),
        **_idle("epoch_loop.val_loop."),
        "epoch_progress": _progress(epochs, epochs),
    }
    for counts in fit["epoch_progress"].values():
        counts["completed"] -= 1  # saved before Lightning counts it
    return {"fit_loop": fit, **{f"{name}_loop": _idle("") for name in ("validate", "test")}, "predict_loop": _predict()}


def _progress(total: int, current: int, counts: tuple[str, ...] = _COUNTS) -> dict[str, Any]:
    return {"total": dict.fromkeys(counts, total), "current": dict.fromkeys(counts, current)}


def _idle(prefix: str) -> dict[str, Any]:
    return {f"{prefix}state_dict": {}, f"{prefix}batch_progress": {**_progress(0, 0), "is_last_batch": False}}


def _predict() -> dict[str, Any]:
    return {"state_dict": {}, "batch_progress": _progress(0, 0)}
