"""Checkpoints of several runs as one: each run's own, as it would have written them alone."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.runs.checkpoint import BEST, LAST
from aerun.runs.identity import KEY
from aerun.trainer.fused.descent import State, stacked
from aerun.trainer.fused.loops import common
from aerun.trainer.fused.member import Member
from aerun.trainer.fused.members import padded, part_of
from aerun.trainer.fused.training import FusedTraining
from aerun.trainer.optimizer import Recipe
from aerun.trainer.saved import HELD, best_of, copied, save, write_at_end


class _Own(NamedTuple):
    """What a run's own checkpoint has of an epoch beside the stacked tensors."""

    run: Member
    number: int
    row: int
    lr: float
    best: tuple[int, dict[str, Tensor]] | None
    changed: dict[str, Any]


class _Held(NamedTuple):
    """The end of an epoch: what all checkpoints say, what all runs stacked were, and what each had for itself."""

    checkpoint: dict[str, Any]
    stacked: dict[str, Tensor]
    state: State
    own: list[_Own]


class MemberFiles:
    """Holds the end of an epoch, and writes of it a checkpoint for each run, as the run alone would have written it."""

    def __init__(self, training: FusedTraining) -> None:
        self.training = training
        self.held: _Held | None = None

    def take(self) -> None:
        """Take the state of all runs into memory."""
        members, descent, runs = self.training.members, self.training.descent, self.training.present()
        stacked, state = copied(members.stacked()), copied(descent.state())
        own = []
        for row, (run, number) in enumerate(zip(runs, members.numbers, strict=True)):
            if run.error is None:
                changed = {KEY: run.job.identity, "callbacks": run.callbacks(), "seconds": run.seconds, "ended": run.ended}
                own.append(_Own(run, number, row, descent.lr(row), run.best_weights, changed))
        self.held = _Held(common(self.training), stacked, state, own)

    def take_best(self) -> None:
        """Keep the weights of the runs whose best epoch is the one that ends."""
        stacked = self.training.members.stacked()
        for row, run in enumerate(self.training.present()):
            if run.improved:
                rows = {k: v[row].detach().clone() for k, v in stacked.items()}
                run.best_weights, run.best_rows, run.improved = (run.best_epoch, rows), rows, False

    def write(self, wanted: Callable[[Member], bool] = lambda _: True) -> None:
        """Write the rows and checkpoints of these runs, of each `best` first."""
        for own in self.held.own if self.held is not None else []:
            if wanted(own.run):
                own.run.write_rows()
                self._write(own)

    def _write(self, own: _Own) -> None:
        assert self.held is not None
        run, members, checkpoint = own.run, self.training.members, self.held.checkpoint | own.changed
        if own.best is not None:
            epoch, rows = own.best
            save(run.job.folder, BEST, best_of(epoch, weights(members.hand_back(own.number, rows))), run.job.identity)
        last = members.hand_back(own.number, {k: v[own.row] for k, v in self.held.stacked.items()})
        states = [alone(run.job.optimizer, last, self.held.state, own.row, own.lr)]
        save(run.job.folder, LAST, {**checkpoint, "state_dict": weights(last), "optimizer_states": states})
        run.best_weights = None if run.best_weights is own.best else run.best_weights


class Saving:
    """Writes rows and checkpoints of the runs that ended or failed with this epoch, and of all every `pause` seconds.

    All are also written at the end, and where training is interrupted or fails.
    """

    def __init__(self, files: MemberFiles, pause: float, epochs: int) -> None:
        self.files, self.pause, self.epochs = files, pause, epochs
        self.due, self.next = time.monotonic() + pause, 0.0  # when all are written, and when they are taken into memory

    def trained(self) -> None:
        """Write what failed in training, before it is dropped: the state of the epoch before."""
        self.files.write(lambda run: run.error is not None)

    def validated(self) -> None:
        """Keep what an epoch came to, and drop the runs that it ended."""
        files, now = self.files, time.monotonic()
        files.write(lambda run: run.error is not None)
        files.take_best()
        due = now >= self.due or files.training.current_epoch + 1 == self.epochs
        if due or now >= self.next or any(run.ended for run in files.training.present()):
            files.take()
            self.next = now + HELD
            files.write(lambda run: run.error is None and (due or run.ended))
        self.due = time.monotonic() + self.pause if due else self.due
        files.training.drop()

    def close(self) -> None:
        """Close what the runs log to."""
        for run in self.files.training.present():
            run.loggers.close()

    def broken(self) -> None:
        """Write what is held where training is interrupted or fails."""
        write_at_end(lambda: self.files.write(lambda run: run.error is None))
        self.close()


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
    shapes = {f"autoencoder.{k}": p.shape for k, p in autoencoder.named_parameters()}
    for index, name in enumerate(_names(optimizer, autoencoder)):
        if name in state:
            values = {k: part_of(v[row], shapes[name]).clone() if stacked(v) else v for k, v in state[name].items()}
            state_dict["state"][index] = values
    return state_dict


def together(recipe: Recipe, autoencoder: Autoencoder, states: Sequence[dict[str, Any]]) -> State:
    """Return the stacked state of all runs from the states of their own optimizers; the inverse of `alone`."""
    names = _names(recipe.make(autoencoder.own_parameters()), autoencoder)
    first, state = states[0]["state"], State()
    for index, name in enumerate(names):
        if index in first:
            values = {k: [f["state"][index][k] for f in states] for k in first[index]}
            state[name] = {k: v[0] if k == "step" or v[0] is None else padded(v) for k, v in values.items()}
    return state


def remembered(checkpoint: Mapping[str, Any]) -> str | None:
    """Return in words which state the optimizer of a run's checkpoint has of which weights; None for what aerun never writes.

    Runs of which this is equal can go on together.
    """
    try:
        (only,) = checkpoint["optimizer_states"]
        return repr(sorted((index, sorted(state)) for index, state in only["state"].items()))
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _names(optimizer: torch.optim.Optimizer, autoencoder: Autoencoder) -> list[str]:
    """Return the names of the weights in the order in which a state_dict of the optimizer numbers them."""
    names = {id(p): f"autoencoder.{k}" for k, p in autoencoder.named_parameters()}
    return [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
