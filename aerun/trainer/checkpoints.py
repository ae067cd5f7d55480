"""Checkpoints that exist from the first moment and are whole or not there at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from aerun.core.errors import AerunError, StoppedError


def read(path: Path, device: str = "meta") -> dict[str, Any]:
    """A checkpoint, its tensors on `device`. AerunError where it cannot be read as plain data."""
    try:
        found: dict[str, Any] = torch.load(path, weights_only=True, map_location=device)
    except Exception as e:
        raise AerunError(f"{path}: not a checkpoint of aerun, or damaged: it cannot be read as plain data.") from e
    return found


def ended(checkpoint: Mapping[str, Any], total: int) -> bool:
    """Did training come to its end here, which is after `total` steps or as early as `trainer.patience` said?"""
    return bool(checkpoint["steps"] >= total or (checkpoint.get("ended") and checkpoint["total"] == total))


def best_of(where: Path, monitor: str) -> ModelCheckpoint:
    """Saves `best`, the epoch of the lowest `monitor`."""
    return ModelCheckpoint(where, "best", monitor=monitor, enable_version_counter=False)


class Whole(TorchCheckpointIO):
    """Writes beside the target and renames, so that a full disk or a kill leaves the older checkpoint as it was."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with part.open("wb") as f:
                torch.save(checkpoint, f)
            part.replace(target)
        except RuntimeError as e:
            if isinstance(e.__context__, StoppedError):  # torch's writer, cut short, puts a complaint of its own in front
                raise e.__context__ from None
            raise
        finally:
            part.unlink(missing_ok=True)


class First(Callback):
    """Saves `last` before the first step, so that a run stopped in its first epoch resumes like any other."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.path.exists():
            trainer.save_checkpoint(self.path)
