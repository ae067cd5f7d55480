"""Checkpoints that exist from the first moment on and are either whole or not there at all."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from torch import Tensor

from aerun.core.errors import AerunError, line_of
from aerun.runs.checkpoint import BEST, LAST, read
from aerun.trainer.saved import HELD, best_of, copied, save, write_at_end

_LAST_OF_OLDER = "ModelCheckpoint{'monitor': None"


class Best(ModelCheckpoint):
    """The lowest `monitor` so far. From a checkpoint it restores the score and no path.

    So a run that was moved goes on with its best epoch, and no path of another machine, or of a stranger's, is ever used.
    """

    def __init__(self, where: Path, monitor: str) -> None:
        super().__init__(where, "best", monitor=monitor, enable_version_counter=False)

    @cached_property
    def state_key(self) -> str:
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        score = state_dict.get("best_model_score")
        if score is None:
            return
        self._reach(score.detach().reshape(()))

    def take(self, score: Tensor) -> bool:
        """Return whether an epoch of this score is the best so far, and record it; one that is no number is the worst."""
        score = torch.nan_to_num(score.detach().clone(), nan=math.inf, posinf=math.inf)
        if self.best_model_score is not None and not bool(score < self.best_model_score):
            return False
        self._reach(score)
        return True

    def _reach(self, score: Tensor) -> None:
        assert self.dirpath is not None
        path = str(Path(self.dirpath) / "best.ckpt")
        self.best_model_score = self.current_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = path
        self.best_k_models = {path: score}


class Whole(TorchCheckpointIO):
    """Checkpoints at RUN/checkpoints/NAME.ckpt, read as plain data and never removed.

    They are written beside the target and renamed, so that a full disk or a kill leaves the older one as it was. Each says
    whose it is, by the run's `identity`.
    """

    def __init__(self, identity: str = "") -> None:
        self.identity = identity

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        save(*_parts(path), checkpoint, self.identity)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        checkpoint = read(*_parts(path))
        states = checkpoint.get("callbacks")
        if isinstance(states, dict):  # Older runs have the state of a callback that wrote `last`, which Lightning would miss.
            checkpoint["callbacks"] = {k: v for k, v in states.items() if not k.startswith(_LAST_OF_OLDER)}
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Leave the file: the next one of its name replaces it."""


def _parts(path: Any) -> tuple[Path, str]:
    """Return the run's folder, and the name of the checkpoint in it."""
    target = Path(path)
    return target.parent.parent, f"{target.parent.name}/{target.name}"


class Begun(Callback):
    """Knows whether a run that goes on has come as far as its first batch."""

    def __init__(self) -> None:
        self.begun = False

    def on_train_batch_end(self, *args: Any) -> None:
        self.begun = True

    @contextmanager
    def restoring(self, path: Path) -> Iterator[None]:
        """Raise AerunError for what goes wrong before the first batch: the plain data in `path` are not what aerun wrote."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, AssertionError) as e:
            if self.begun or isinstance(e, torch.OutOfMemoryError):
                raise
            why = f"{type(e).__name__}: {line_of(e)}"
            raise AerunError(
                f"{path}: the run cannot go on from it: damaged, or of other versions of libraries ({why})."
            ) from e


class Held(NamedTuple):
    """Checkpoints that are not written yet: of an epoch, and of the best up to it, where that is newer than its file."""

    last: dict[str, Any] | None = None
    best: dict[str, Any] | None = None


class Delayed(Whole):
    """Holds a run's checkpoints in memory until `write`. best: of the best epoch so far, where it is not written.

    before: what writes that must not be older than the checkpoints.

    patient: whether training may end early; a count that an earlier part of it kept is left out where it may not.
    """

    def __init__(self, folder: Path, identity: str, patient: bool = True) -> None:
        super().__init__(identity)
        self.patient = patient
        self.folder, self.held = folder, Held()
        self.best: dict[str, Any] | None = None
        self.before: Callable[[], None] = lambda: None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        self.held = Held(copied(checkpoint), self.best)  # one assignment: a signal finds the pair of before, or this one

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        checkpoint = super().load_checkpoint(path, map_location, weights_only)
        if not self.patient and isinstance(states := checkpoint.get("callbacks"), dict):
            checkpoint["callbacks"] = {k: v for k, v in states.items() if not k.startswith(EarlyStopping.__qualname__)}
        return checkpoint

    def write(self) -> None:
        """Write what is held, `best` first: `last` may say of no epoch that it is the best which has no file."""
        self.before()
        for name, checkpoint in ((BEST, self.held.best), (LAST, self.held.last)):
            if checkpoint is not None:
                super().save_checkpoint(checkpoint, self.folder / name)
        self.best = None if self.best is self.held.best else self.best
        self.held = Held()


class Saving(Checkpoint):
    """Saves the state in memory, the best after every epoch, all at most twice a second, and writes it every `pause` seconds.

    It is also written before the first step, so that a run stopped in its first epoch resumes like any other, at the end, and
    where training is interrupted or fails. A `last` that lies there is replaced unless training goes on from it. held: seconds
    from one state in memory to the next, where these are others.
    """

    def __init__(self, files: Delayed, best: Best, pause: float, held: float | None = None) -> None:
        self.files, self.best, self.pause = files, best, pause
        self.every = HELD if held is None else held
        self.due = self.next = 0.0  # when it is written, and when it is taken into memory

    @property
    def state_key(self) -> str:
        return self.best.state_key

    def state_dict(self) -> dict[str, Any]:
        return self.best.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best.load_state_dict(state_dict)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.ckpt_path:
            trainer.save_checkpoint(self.files.folder / LAST)
            self.files.write()
        self.due = time.monotonic() + self.pause

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.best.take(trainer.callback_metrics[str(self.best.monitor)]):
            self.files.best = best_of(trainer.current_epoch, pl_module.state_dict())
        now = time.monotonic()
        due = now >= self.due or trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        if due or now >= self.next:
            trainer.save_checkpoint(self.files.folder / LAST)
            self.next = now + self.every
        if due:
            self.files.write()
            self.due = time.monotonic() + self.pause

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        write_at_end(self.files.write)
