"""Checkpoints that exist from the first moment and are whole or not there at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from aerun.core.errors import StoppedError
from aerun.runs import files
from aerun.runs.checkpoint import LAST, read


def ended(checkpoint: Mapping[str, Any], total: int) -> bool:
    """Return did training come to its end here, which is after `total` steps or as early as `trainer.patience` said?"""
    return bool(checkpoint["steps"] >= total or (checkpoint.get("ended") and checkpoint["total"] == total))


class Best(ModelCheckpoint):
    """Saves `best`, the epoch of the lowest `monitor`. Of what a checkpoint says of it, it takes the score and no path.

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
        """Hold this score for the best so far."""
        assert self.dirpath is not None
        path = str(Path(self.dirpath) / "best.ckpt")
        self.best_model_score = self.current_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = path
        self.best_k_models = {path: score}


class Last(ModelCheckpoint):
    """Saves `last` after every epoch. It takes nothing from a checkpoint: its file has one name."""

    def __init__(self, where: Path) -> None:
        super().__init__(where, "last", save_on_train_epoch_end=True, enable_version_counter=False)

    @property
    def state_key(self) -> str:
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: where it wrote before is not where it writes."""


class Whole(TorchCheckpointIO):
    """Checkpoints at RUN/checkpoints/NAME.ckpt: written beside the target and renamed, so that a full disk or a kill leaves the
    older one as it was; read as plain data, and never removed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        folder, name = _parts(path)
        try:
            with files.replaced(folder, name) as f:
                torch.save(checkpoint, f)
        except RuntimeError as e:
            if isinstance(e.__context__, StoppedError):  # torch's writer, cut short, puts a complaint of its own in front
                raise e.__context__ from None
            raise

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read(*_parts(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Nothing: each file is replaced by the next of its name."""


def _parts(path: Any) -> tuple[Path, str]:
    """Return the run's folder, and the name in it."""
    target = Path(path)
    return target.parent.parent, f"{target.parent.name}/{target.name}"


class First(Callback):
    """Saves `last` before the first step, so that a run stopped in its first epoch resumes like any other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not files.exists(self.folder, LAST):
            trainer.save_checkpoint(self.folder / LAST)
