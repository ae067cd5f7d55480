"""The one LightningModule: what Lightning calls, and nothing else calls."""

import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from aerun.autoencoder import Autoencoder
from aerun.errors import TrainingError
from aerun.schedule.base import Schedule
from aerun.trainer.batches import Call, mix
from aerun.trainer.optimizer import Recipe


class Training(pl.LightningModule):
    """Several optimizer steps per call; sums stay in tensors and are read once a call; one log an epoch.

    `steps` counts optimizer steps (Lightning's `global_step` counts calls).
    """

    def __init__(
        self, autoencoder: Autoencoder, *, optimizer: Recipe, schedule: Schedule, seed: int, total: int, clip: float | None
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.autoencoder = autoencoder
        self.recipe, self.schedule, self.seed, self.total, self.clip = optimizer, schedule, seed, total, clip
        self.train_keys, self.val_keys = autoencoder.keys(training=True), autoencoder.keys(training=False)
        self.steps = 0
        self.metrics: dict[str, float] = {}
        self.seconds = 0.0
        self._sums: dict[str, Any] = {}

    def configure_optimizers(self) -> Optimizer:
        return self.recipe.make(self.autoencoder.parameters())

    # -- training ----------------------------------------------------------------------------------------------------

    def on_train_start(self) -> None:
        self.seconds = -time.perf_counter()

    def on_train_end(self) -> None:
        self.seconds += time.perf_counter()

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(mix(self.seed, self.current_epoch, 0))
        self._sums = {"values": 0.0, "samples": 0}
        self._lr = [group.get("initial_lr", group["lr"]) for group in self._raw_optimizer().param_groups]
        for group, lr in zip(self._raw_optimizer().param_groups, self._lr, strict=True):
            group["initial_lr"] = lr
        self._started = time.perf_counter()

    def _raw_optimizer(self) -> Optimizer:
        return self.optimizers(use_pl_optimizer=False)  # type: ignore[return-value]

    def training_step(self, call: Call, index: int) -> None:
        optimizer, rows, sizes = self._raw_optimizer(), list[Tensor](), list[int]()
        for left, stored in zip(reversed(range(len(call))), call, strict=True):
            self._descend(self.autoencoder.units(stored), optimizer, rows)
            sizes.append(len(stored))
            # The last step of a call goes through Lightning, so that its own counters move.
            (optimizer if left else self.optimizers()).step()  # type: ignore[union-attr]
            self.steps += 1
        values = torch.stack(rows)
        self._refuse_non_finite(values, self.train_keys, self.steps - len(values))
        self._sums["values"] = self._sums["values"] + (values * values.new_tensor(sizes)[:, None]).sum(0, dtype=torch.float64)
        self._sums["samples"] += sum(sizes)

    def _descend(self, x: Tensor, optimizer: Optimizer, rows: list[Tensor]) -> None:
        """Gradients of one batch; its values are appended to `rows`."""
        factor = self.schedule.factor(self.steps, self.total)
        for group, lr in zip(optimizer.param_groups, self._lr, strict=True):
            group["lr"] = lr * factor
        value = self.autoencoder.objective(x, self.steps / self.total)
        optimizer.zero_grad()
        value.loss.backward()
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.autoencoder.parameters(), self.clip)
        rows.append(torch.stack(value.parts))

    def _refuse_non_finite(self, values: Tensor, keys: list[str], first: int) -> None:
        """TrainingError for the first row (step) with a value that is not finite; asked before a checkpoint is written."""
        good = torch.isfinite(values)
        if bool(good.all()):
            return
        row = int((~good.all(1)).nonzero()[0])
        guilty = [k for k, ok in zip(keys, good[row].tolist(), strict=True) if not ok and k != "loss"]
        raise TrainingError(
            f"loss is not finite at step {first + row} (epoch {self.current_epoch}): {', '.join(guilty) or 'loss'}. The last "
            "good checkpoint is kept. Try a lower optimizer.lr, trainer.gradient_clip=1, or a smaller reg.lambda."
        )

    def _train_row(self) -> dict[str, float]:
        progress = max(0, self.steps - 1) / self.total
        samples = self._sums["samples"]
        means = (self._sums["values"] / samples).tolist()
        row = {f"train/{k}": v for k, v in zip(self.train_keys, means, strict=True)}
        row["lr"] = self._raw_optimizer().param_groups[0]["lr"]
        row["samples_per_second"] = samples / self._train_seconds
        for key in self.autoencoder.terms:
            row[f"effective_lambda/{key}"] = self.autoencoder.effective_lambda(key, progress)
        return row

    # -- validation --------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self._train_seconds = time.perf_counter() - self._started
        torch.manual_seed(mix(self.seed, 0, 2))  # the same noise in every epoch: the curve shows the model, not the draw
        self._val_sums: Tensor | None = None
        self._val_samples = 0

    def validation_step(self, call: Call, index: int) -> None:
        for stored in call:
            x = self.autoencoder.units(stored)
            value = self.autoencoder.objective(x, None)
            mse = (self.autoencoder(x) - x).square().mean()
            row = torch.stack([*value.parts, mse]).double() * len(x)
            self._val_sums = row if self._val_sums is None else self._val_sums + row
            self._val_samples += len(x)

    def on_validation_epoch_end(self) -> None:
        assert self._val_sums is not None
        means = (self._val_sums / self._val_samples).tolist()
        self._refuse_non_finite(torch.tensor([means[:-1]]), self.val_keys, self.steps)
        val = {f"val/{k}": v for k, v in zip([*self.val_keys, "mse"], means, strict=True)}
        # Here and not in on_train_epoch_end, which Lightning calls after the callbacks that read it.
        self.metrics = {"epoch": self.current_epoch, "step": self.steps, **self._train_row(), **val}
        self.log_dict(val)

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["steps"] = self.steps

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.steps = int(checkpoint["steps"])
