"""One of several runs that are trained as one: what it has reached, and when it ends."""

from typing import Any

import torch

from aerun.core.signals import whole
from aerun.trainer.base import Job, Trainer
from aerun.trainer.fused.scores import Best, Patience
from aerun.trainer.told import loggers_of


class Member:
    """One run: its job, its record, and how far it has come.

    best, patience: what the callbacks of the run alone would keep.
    rows: figures of epochs that are not yet written. seconds: its share of the time in epochs. improved: in the
    epoch that ends. best_weights: its best epoch and its rows of the stacked weights then; None where they are
    written. best_rows: these rows, also where they are written. epochs: how many there were.
    """

    def __init__(self, job: Job, settings: Trainer) -> None:
        self.job, self.monitor = job, settings.monitor
        where = job.folder / "checkpoints"
        self.last_path = where / "last.ckpt"
        self.best = Best(where, settings.monitor)
        self.best_epoch = -1
        self.patience = None if settings.patience is None else Patience(settings.monitor, settings.patience)
        self.loggers = loggers_of(job)
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0
        self.improved = self.ended = False
        self.best_weights: tuple[int, dict[str, torch.Tensor]] | None = None
        self.best_rows: dict[str, torch.Tensor] | None = None
        self.epochs = 0
        self.error: Exception | None = None

    def write_rows(self) -> None:
        """Bring the loggers up to date."""
        if self.rows:
            with whole():  # else a signal in the middle has the same rows written again
                self.loggers.metrics(self.rows)
                self.rows.clear()

    def callbacks(self) -> dict[str, Any]:
        """Return the state of its callbacks, as a checkpoint has it."""
        return {c.state_key: c.state_dict() for c in (self.best, self.patience) if c is not None}

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of this checkpoint."""
        for callback in (self.best, self.patience):
            if callback is not None and callback.state_key in checkpoint["callbacks"]:
                callback.load_state_dict(checkpoint["callbacks"][callback.state_key])
        self.seconds = float(checkpoint["seconds"])

    def reached(self, row: dict[str, float]) -> None:
        """Take in the figures of an epoch."""
        self.rows.append(row)
        self.epochs = int(row["epoch"]) + 1
        score = torch.tensor(row[self.monitor])
        if self.patience is not None:
            self.ended = self.patience.is_over(score, int(row["epoch"]))
        if self.best.take(score):
            self.best_epoch, self.improved = int(row["epoch"]), True
