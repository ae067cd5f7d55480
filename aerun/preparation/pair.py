"""Pairs of vectors: what the encoder reads, and behind it what is computed of that."""

import logging
from typing import Any

import torch
from torch import Tensor

from aerun.preparation.base import Preparation
from aerun.preparation.norm import mean_norm

log = logging.getLogger("aerun")


class Pair(Preparation):
    """Of samples (x, t) in one row, x of `source` numbers: the encoder reads x and nobody judges it, t is judged.

    scaled: each of both by one scale of its own, s = sqrt(D) / mean_i ||x_i|| over the training samples, as `Norm` has it;
    else both stay as they are. A row that lacks t (NaN) holds 0 there, is judged by nobody, and has its x all the same. In
    what `inverse` gives x is missing: nothing reconstructs it.
    """

    scale: Tensor  # of each element

    def __init__(self, *, shape: tuple[int, ...], source: int, scaled: bool) -> None:
        super().__init__()
        self.shape, self.source, self.scaled = tuple(shape), source, scaled
        self.register_buffer("scale", torch.ones(self.shape))

    @property
    def settings(self) -> dict[str, Any]:
        return {"shape": self.shape, "source": self.source, "scaled": self.scaled}

    @property
    def inputs(self) -> Tensor:
        return torch.arange(self.shape[0], device=self.scale.device) < self.source

    def fit(self, x: Tensor) -> None:
        for part in (slice(None, self.source), slice(self.source, None)) if self.scaled else ():
            mean, width = mean_norm(x[:, part]), x[:, part].shape[1]
            if mean > 0:
                self.scale[part] = width**0.5 / mean
            else:
                name = "the encoder reads" if part.start is None else "dataset.target names"
                log.warning("dataset.prepare=norm: all training samples of what %s are 0, and stay as they are.", name)

    def forward(self, x: Tensor) -> Tensor:
        scaled = x * self.scale
        return torch.cat([scaled[:, : self.source], scaled[:, self.source :].nan_to_num(0.0)], 1)

    def seen(self, x: Tensor) -> Tensor:
        return ~(self.inputs | x.isnan())

    def inverse(self, x: Tensor) -> Tensor:
        return (x / self.scale).masked_fill(self.inputs, torch.nan)
