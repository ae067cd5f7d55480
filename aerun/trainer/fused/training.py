"""Steps, validation and figures of several runs as one."""

import time
from typing import Any

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.trainer.batches import Call, mix
from aerun.trainer.figures import non_finite, train_row, val_row
from aerun.trainer.fused.batches import Together
from aerun.trainer.fused.descent import Descent
from aerun.trainer.fused.member import Member
from aerun.trainer.fused.members import Batch
from aerun.trainer.fused.passes import Passes
from aerun.trainer.optimizer import forgotten_state
from aerun.trainer.quick_step import quick_step


class FusedTraining:
    """Trains as `Training` does, but every member at once: the same steps, orders, noise and figures.

    A member that ends early or whose loss is no longer finite is removed at the end of the epoch; the others go on.
    """

    def __init__(self, descent: Descent, runs: list[Member], batches: Together, total: int, clip: float | None) -> None:
        self.descent, self.runs, self.batches, self.total, self.clip = descent, runs, batches, total, clip
        self.members = descent.members
        self.passes = Passes(self.members)
        self.schedule = runs[0].job.schedule
        self.steps = self.current_epoch = 0
        self.over = False  # whether no run goes on
        self.metrics: dict[str, float] = {}
        self.without: list[Tensor] = []  # of runs that go on: the weights that have no state of the optimizer

    @property
    def template(self) -> Autoencoder:
        """Return the autoencoder that stands for all members: their units, names and mode."""
        return self.members.template

    def present(self) -> list[Member]:
        """Return the runs that go on, in the order of the stacked weights."""
        return [self.runs[n] for n in self.members.numbers]

    def on_fit_start(self) -> None:
        """Open what the runs log to."""
        for run in self.present():
            run.loggers.open(self.steps)

    # -- training ----------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Begin an epoch of training."""
        self.template.train()
        self.members.streams.seed([mix(run.job.seed, self.current_epoch, 0) for run in self.present()])
        self._started = time.perf_counter()
        self._sums: Any = 0.0
        self._samples = 0

    def training_step(self, call: list[Tensor]) -> None:
        """Take the steps of a call."""
        step, rows, sizes = quick_step(self.descent.optimizer), list[Tensor](), list[int]()
        for drawn in call:
            batch = self.batches.batch(drawn, self.template)
            self.descent.pace(self.schedule.factor(self.steps, self.total))
            parts, gradients = self.passes.train(batch, self.steps / self.total)
            self.descent.hand(gradients, self.clip)
            step()
            rows.append(parts)
            sizes.append(drawn.shape[1])
            self.steps += 1
            if self.without:
                self._refuse_forgotten()
        values = torch.stack(rows, 1)  # (A, steps, K)
        self._refuse_non_finite(values, True, self.steps - len(rows))
        self._sums = self._sums + (values * values.new_tensor(sizes)[:, None]).sum(1, dtype=torch.float64)
        self._samples += sum(sizes)

    def _refuse_forgotten(self) -> None:
        """Raise AerunError where the first step of runs that go on made an optimizer's state which the steps before had."""
        without, self.without = self.without, []
        if forgotten := [p for p in without if self.descent.optimizer.state.get(p)]:
            raise forgotten_state(self.steps - 1, len(forgotten))

    def _refuse_non_finite(self, values: Tensor, training: bool, first: int) -> None:
        """Mark the members of (A, steps, K) with a value that is not finite, before a checkpoint is written."""
        if bool(torch.isfinite(values).all()):
            return
        for run, mine in zip(self.present(), values, strict=True):
            run.error = run.error or non_finite(mine, self.template, training, first, self.current_epoch)

    def drop(self) -> None:
        """Drop the members that failed or came to their end."""
        rows = [i for i, run in enumerate(self.present()) if run.error is None and not run.ended]
        if len(rows) < len(self.members):
            for run in self.present():
                if run.ended:
                    run.loggers.close()
                elif run.error is not None:
                    run.write_rows()
                    run.loggers.close()
            self._sums = self._sums[rows]
            self.descent.keep(rows)
        self.over = not rows

    # -- validation --------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Begin validation, after training of the epoch."""
        self.template.eval()
        self._train_seconds = time.perf_counter() - self._started
        self.drop()
        self.members.streams.seed([mix(run.job.seed, 0, 2) for run in self.present()])
        self._val_sums: Any = 0.0
        self._val_samples = self._val_elements = 0

    def validation_step(self, call: Call) -> None:
        """Add the figures of a call."""
        if not len(self.members):
            return
        for stored in call:
            x, seen = self.template.units(stored), self.template.offered_seen(stored)
            parts = self.passes.validate(Batch(x, seen, self.template.known(stored)))
            sizes = parts.new_full((parts.shape[1],), len(x), dtype=torch.float64)
            sizes[-1] = 1.0  # The squared error is a sum already.
            self._val_sums = self._val_sums + parts.double() * sizes
            self._val_samples += len(x)
            self._val_elements += x.numel() if seen is None else int(seen.sum())

    def on_validation_epoch_end(self) -> None:
        """Hand the runs their figures of the epoch."""
        if not len(self.members):
            return
        own = len(self.template.keys(training=False))
        self._refuse_non_finite(self._val_sums[:, None, :own], False, self.steps)
        share = (time.perf_counter() - self._started) / len(self.members)
        for run in self.present():
            run.seconds += share
        for row, run in enumerate(self.present()):
            if run.error is None:
                run.reached(self._figures(row, run))
        self.metrics = next((run.rows[-1] for run in self.present() if run.rows), {})

    def _figures(self, row: int, run: Member) -> dict[str, float]:
        *means, error = (self._val_sums[row] / self._val_samples).tolist()
        mse = error * self._val_samples / self._val_elements
        own, progress = run.job.autoencoder, max(0, self.steps - 1) / self.total
        trained = (self._sums[row] / self._samples).tolist()
        rate = self._samples / self._train_seconds
        return {
            "epoch": self.current_epoch,
            "step": self.steps,
            **train_row(own, trained, self.descent.lr(row), rate, progress),
            **val_row(own, means, mse),
        }
