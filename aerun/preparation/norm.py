"""One scale for all numbers of a sample, as sparse autoencoders of activations are trained."""

import logging
from typing import Any

import torch
from torch import Tensor

from aerun.core.facts import real_steps
from aerun.preparation.base import Preparation

NORM = "norm"  # how data sets ask for it
log = logging.getLogger("aerun")


class Norm(Preparation):
    """x -> s x, s = sqrt(D) / mean_i ||x_i|| over the training samples (of sequences: over their steps, D features each).

    The mean of norms, not the root of their mean square. Directions stay as they are, which a scale for each column would
    bend: atoms are then those of other data. One s, so that codes decode without anything else of their sample.
    """

    scale: Tensor

    def __init__(self, *, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.register_buffer("scale", torch.ones(()))

    @property
    def settings(self) -> dict[str, Any]:
        return {"shape": self.shape}

    def fit(self, x: Tensor) -> None:
        rows = x if x.ndim == 2 else x[real_steps(x)]
        mean = mean_norm(rows)
        if not mean > 0:
            log.warning("dataset.prepare=norm: all training samples are 0, and stay as they are.")
            return
        self.scale.copy_(rows.shape[1] ** 0.5 / mean)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.scale).nan_to_num(0.0) if self.shape[1:] else x * self.scale

    def inverse(self, x: Tensor) -> Tensor:
        return x / self.scale


def mean_norm(rows: Tensor) -> float:
    """Return the mean norm of rows (n, D), of which missing values are 0."""
    return float(rows.double().nan_to_num().norm(dim=1).mean())
