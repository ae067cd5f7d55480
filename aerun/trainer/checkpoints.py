"""Checkpoints that exist from the first moment on and are either whole or not there at all."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from aerun.core.errors import AerunError, StoppedError, line_of
from aerun.runs import files
from aerun.runs.checkpoint import LAST, read
from aerun.runs.identity import KEY

_APART = 10  # steps from one `last` to the next: writing it takes longer than a step on few rows


def ended(checkpoint: Mapping[str, Any], total: int) -> bool:
    """Return whether training came to its end here: after `total` steps, or as early as `trainer.patience` said."""
    return bool(checkpoint["steps"] >= total or (checkpoint.get("ended") and checkpoint["total"] == total))


class Best(ModelCheckpoint):
    """Saves `best`, the epoch of the lowest `monitor`. From a checkpoint it restores the score and no path.

    So a run that was moved goes on with its best epoch, and no path of another machine, or of a stranger's, is ever used.
    """

    def __init__(self, where: Path, monitor: str) -> None:
        super().__init__(where, "best", monitor=monitor, enable_version_counter=False)

    @property
    def state_key(self) -> str:
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        score = state_dict.get("best_model_score")
        if score is None:
            return
        self.reach(score.detach().reshape(()))

    def reach(self, score: Tensor) -> None:
        """Record this score as the best so far."""
        assert self.dirpath is not None
        path = str(Path(self.dirpath) / "best.ckpt")
        self.best_model_score = self.current_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = path
        self.best_k_models = {path: score}


class Last(ModelCheckpoint):
    """Saves `last` after every epoch; of epochs of few steps after as many as make up 10, and after each that is the best.

    So `best` is never of a later epoch. It restores nothing from a checkpoint: its file has one name.
    """

    def __init__(self, where: Path, best: Best) -> None:
        self.best = best
        self.score: Tensor | None = None
        super().__init__(where, "last", save_on_train_epoch_end=True, enable_version_counter=False)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        every = math.ceil(_APART * epochs / int(pl_module.total))  # type: ignore[arg-type]
        better, self.score = self.best.best_model_score is not self.score, self.best.best_model_score
        if better or done % every == 0 or done == epochs or trainer.should_stop:
            super().on_train_epoch_end(trainer, pl_module)

    @property
    def state_key(self) -> str:
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Ignore the state: where an earlier process wrote is not where this one writes."""


class Whole(TorchCheckpointIO):
    """Checkpoints at RUN/checkpoints/NAME.ckpt, read as plain data and never removed.

    They are written beside the target and renamed, so that a full disk or a kill leaves the older one as it was. Each says
    whose it is, by the run's `identity`.
    """

    def __init__(self, identity: str = "") -> None:
        self.identity = identity

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        folder, name = _parts(path)
        own = {KEY: self.identity} if self.identity else {}
        try:
            with files.replaced(folder, name) as f:
                torch.save({**own, **checkpoint}, f)
        except RuntimeError as e:
            if isinstance(e.__context__, StoppedError):  # torch's writer, cut short, raises an error of its own.
                raise e.__context__ from None
            raise

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read(*_parts(path))

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


class First(Callback):
    """Saves `last` before the first step, so that a run stopped in its first epoch resumes like any other.

    A `last` that lies there is replaced unless training goes on from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.ckpt_path:
            trainer.save_checkpoint(self.folder / LAST)
