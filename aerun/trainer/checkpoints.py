"""Checkpoints that exist from the first moment and are whole or not there at all."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Callback, LightningModule, Trainer

from aerun.errors import AerunError


def refuse_damaged(path: Path) -> None:
    """AerunError where a checkpoint cannot be read as plain data."""
    try:
        torch.load(path, weights_only=True, map_location="meta")
    except Exception as e:
        raise AerunError(f"{path}: not a checkpoint of aerun, or damaged: it cannot be read as plain data.") from e


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
        finally:
            part.unlink(missing_ok=True)


class First(Callback):
    """Saves `last` before the first step, so that a run stopped in its first epoch resumes like any other."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.path.exists():
            trainer.save_checkpoint(self.path)
