"""Checkpoints of several runs as one: each run's own, as it would have written them alone."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.runs.identity import KEY
from aerun.trainer.checkpoints import Whole
from aerun.trainer.fused.descent import State, stacked
from aerun.trainer.fused.training import FusedTraining
from aerun.trainer.optimizer import Recipe

_SHARE = 0.05  # This share of the time may go into writing.


class MemberFiles(Whole):
    """Turns one checkpoint of Lightning's into one for each run in `rows`; resuming may start from any one of them."""

    def __init__(self, training: FusedTraining) -> None:
        super().__init__()
        self.training = training
        self.rows: list[int] = []

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        members, runs, descent = self.training.members, self.training.present(), self.training.descent
        state = descent.state()
        for row in self.rows:
            run = runs[row]
            if run.improved:
                best = weights(members.hand_back(row, best=True))
                bare = {**checkpoint, **_BARE, "epoch": run.best_epoch, "state_dict": best}
                super().save_checkpoint({KEY: run.job.identity, **bare}, run.best_path)
                run.improved = False
            own = members.hand_back(row)
            changed = {
                KEY: run.job.identity,
                "state_dict": weights(own),
                "optimizer_states": [alone(run.job.optimizer, own, state, row, descent.lr(row))],
                "callbacks": run.callbacks(),
                "seconds": run.seconds,
                "ended": run.ended,
            }
            super().save_checkpoint({**checkpoint, **changed}, run.last_path)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        checkpoint: dict[str, Any] = super().load_checkpoint(path, *args, **kwargs)
        return {
            **checkpoint,
            "state_dict": {},
            "callbacks": {},
            "optimizer_states": [self.training.descent.optimizer.state_dict()],
        }


_BARE: dict[str, Any] = {"optimizer_states": [], "callbacks": {}}  # Nobody goes on from the best epoch.


class Saving(Callback):
    """Writes rows and checkpoints: of the runs that ended with this epoch, and of all as often as it costs little time."""

    def __init__(self, files: MemberFiles) -> None:
        self.files = files
        self.next = 0.0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        training, started = self.files.training, time.perf_counter()
        runs = training.present()
        last = trainer.current_epoch + 1 == trainer.max_epochs
        due = last or started >= self.next
        self.files.rows = [row for row, run in enumerate(runs) if (due or run.ended) and run.error is None]
        if self.files.rows:
            for row in self.files.rows:
                runs[row].write_rows()
            trainer.save_checkpoint("members")
        if due:
            now = time.perf_counter()
            self.next = now + (now - started) / _SHARE
        training.drop()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for run in self.files.training.present():
            run.loggers.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        for run in self.files.training.present():
            run.loggers.close()


def weights(autoencoder: Autoencoder) -> dict[str, Tensor]:
    """Return the state_dict of a checkpoint: names as in `Training`, tensors that share no memory with the model's."""
    return {f"autoencoder.{k}": v.detach().clone() for k, v in autoencoder.state_dict().items()}


def load(autoencoder: Autoencoder, state_dict: Mapping[str, Tensor]) -> None:
    """Load a checkpoint's state_dict, as `weights` returns it, into the autoencoder."""
    autoencoder.load_state_dict({k.removeprefix("autoencoder."): v for k, v in state_dict.items()})


def alone(recipe: Recipe, autoencoder: Autoencoder, state: State, row: int, lr: float) -> dict[str, Any]:
    """Return the optimizer's state of one run, as its own optimizer would hold it."""
    optimizer = recipe.make(autoencoder.own_parameters())
    for group in optimizer.param_groups:
        group["initial_lr"], group["lr"] = group["lr"], lr
    state_dict: dict[str, Any] = optimizer.state_dict()
    for index, name in enumerate(_names(optimizer, autoencoder)):
        if name in state:
            state_dict["state"][index] = {k: v[row].clone() if stacked(v) else v for k, v in state[name].items()}
    return state_dict


def together(recipe: Recipe, autoencoder: Autoencoder, states: Sequence[dict[str, Any]]) -> State:
    """Return the stacked state of all runs from the states of their own optimizers; the inverse of `alone`."""
    names = _names(recipe.make(autoencoder.own_parameters()), autoencoder)
    first, state = states[0]["state"], State()
    for index, name in enumerate(names):
        if index in first:
            values = {k: [f["state"][index][k] for f in states] for k in first[index]}
            state[name] = {k: v[0] if k == "step" or v[0] is None else torch.stack(v) for k, v in values.items()}
    return state


def _names(optimizer: torch.optim.Optimizer, autoencoder: Autoencoder) -> list[str]:
    """Return the names of the weights in the order in which a state_dict of the optimizer numbers them."""
    names = {id(p): f"autoencoder.{k}" for k, p in autoencoder.named_parameters()}
    return [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
