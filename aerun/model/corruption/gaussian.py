"""Additive white noise."""

import torch
from torch import Tensor

from aerun.core.checks import at_least
from aerun.metrics.moments import Moments, Noise, added
from aerun.parts import Corruption


class Gaussian(Corruption):
    """x_in = x + sigma * eps, eps ~ N(0, I), shape (B, *S), sigma in units of x; not clamped.

    The optimal reconstruction is then E[x | x_in] = x_in + sigma^2 grad log p_sigma(x_in): Vincent 2011,
    https://doi.org/10.1162/NECO_a_00142; Alain & Bengio 2014, https://arxiv.org/abs/1211.4246
    """

    elementwise = True

    def __init__(self, *, sigma: float) -> None:
        super().__init__()
        self.sigma = self.white_noise = at_least("model.corruption.sigma", sigma, 0)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"x_in": x + self.sigma * torch.randn_like(x)}

    def describe(self) -> str:
        return f"Gaussian noise of deviation {self.sigma:g}"

    def noise_model(self, moments: Moments) -> Noise:
        return added(moments, self.sigma**2)
