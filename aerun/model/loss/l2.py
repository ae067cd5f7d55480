"""Euclidean distance, not squared."""

import torch
from torch import Tensor

from aerun.model.loss.base import ResidualLoss
from aerun.vocabulary import wide

_EPS = 1e-8  # the root has no slope at 0; with this a sample that is already right has gradient 0


class L2(ResidualLoss):
    """||x_hat_i - x_i||_2 = sqrt(SE_i + 1e-8), shapes (B, *S) -> (B,), in the data's units.

    A sample far away counts by its distance and not by the square of it, so outlying samples pull less; a linear
    autoencoder under this loss is therefore not PCA (with orthonormal weights it is R1-PCA: Ding et al. 2006,
    https://doi.org/10.1145/1143844.1143880). `reduction: mean` is the root of the mean square, smaller by sqrt(D).
    Its least value (`floor`) is 1e-4, not 0. Raises AerunError for a sigmoid output on data that leaves [0, 1].
    """

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        return wide(self.residual(raw, x)).square()

    def reduce(self, loss: Tensor, valid: Tensor | None, seen: Tensor | None = None) -> Tensor:
        return (super().reduce(loss, valid, seen) + _EPS).sqrt()

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        return self.reduce(torch.zeros_like(x), valid, seen)

    def per_lambda(self, size: int) -> float:
        return float(super().per_lambda(size) ** 0.5)
