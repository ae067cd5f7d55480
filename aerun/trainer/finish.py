"""What a code still learns once its weights are trained, kept with the best weights."""

import logging

from aerun.runs.checkpoint import BEST
from aerun.trainer.base import Fitted, Job
from aerun.trainer.saved import best_of, save

log = logging.getLogger("aerun")


def finish(job: Job, fitted: Fitted) -> dict[str, float]:
    """Let the code learn what it can from all training samples; return figures of it for results.json, as `codes/NAME`.

    What it has learned is written into the checkpoint of the best weights, which is what every verb reads.
    """
    figures = job.autoencoder.finish(job.data.train.x)
    if figures:
        state = {f"autoencoder.{k}": v for k, v in job.autoencoder.state_dict().items()}
        save(job.folder, BEST, best_of(fitted.best_epoch, state), job.identity)
        log.info("set after training: %s", ", ".join(f"{k} {v:.6g}" for k, v in figures.items()))
    return {f"codes/{k}": v for k, v in figures.items()}
