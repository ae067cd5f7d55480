"""Best epoch and patience of a member: the rules and the state of the callbacks that a run alone has, without Lightning.

A run that was fused may go on alone: Lightning's ModelCheckpoint and EarlyStopping then find their state in its checkpoint.
"""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class Best:
    """The lowest score so far."""

    def __init__(self, where: Path, monitor: str) -> None:
        self.where, self.monitor = where, monitor
        self.score: Tensor | None = None

    @property
    def state_key(self) -> str:
        """Return the name of its state in a checkpoint."""
        about = {
            "monitor": self.monitor,
            "mode": "min",
            "every_n_train_steps": 0,
            "every_n_epochs": 1,
            "train_time_interval": None,
        }
        return f"ModelCheckpoint{about}"

    def state_dict(self) -> dict[str, Any]:
        """Return its state as ModelCheckpoint writes it."""
        path, score = "" if self.score is None else str(self.where / "best.ckpt"), self.score
        return {
            "monitor": self.monitor,
            "best_model_score": score,
            "best_model_path": path,
            "current_score": score,
            "dirpath": str(self.where),
            "best_k_models": {} if score is None else {path: score},
            "kth_best_model_path": path,
            "kth_value": torch.tensor(math.inf) if score is None else score,
            "last_model_path": "",
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the score, and no path."""
        if state.get("best_model_score") is not None:
            self.score = state["best_model_score"].detach().reshape(())

    def take(self, score: Tensor) -> bool:
        """Return whether an epoch of this score is the best so far, and record it; one that is no number is the worst."""
        score = torch.nan_to_num(score.detach().clone(), nan=math.inf, posinf=math.inf)
        if self.score is not None and not bool(score < self.score):
            return False
        self.score = score
        return True


class Patience:
    """Counts epochs without a lower score."""

    def __init__(self, monitor: str, epochs: int) -> None:
        self.monitor, self.epochs = monitor, epochs
        self.waited = self.stopped = 0
        self.best = torch.tensor(math.inf)

    @property
    def state_key(self) -> str:
        """Return the name of its state in a checkpoint."""
        return f"EarlyStopping{ {'monitor': self.monitor, 'mode': 'min'} }"

    def state_dict(self) -> dict[str, Any]:
        """Return its state as EarlyStopping writes it."""
        return {
            "wait_count": self.waited,
            "stopped_epoch": self.stopped,
            "best_score": self.best,
            "patience": self.epochs,
            "stopping_reason": "not_stopped",
            "stopping_reason_message": None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the count; one that ended a run which goes on nevertheless begins anew."""
        self.waited, self.stopped, self.best = state["wait_count"], state["stopped_epoch"], state["best_score"]
        if self.waited >= self.epochs:
            self.waited = self.stopped = 0

    def is_over(self, score: Tensor, epoch: int) -> bool:
        """Return whether the run ends with an epoch of this score."""
        if bool(score < self.best):
            self.best, self.waited = score, 0
            return False
        self.waited += 1
        if self.waited < self.epochs:
            return False
        self.stopped = epoch
        return True
