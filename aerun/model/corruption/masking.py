"""Entries are set to zero."""

import torch
from torch import Tensor

from aerun.core.checks import within
from aerun.metrics.moments import Moments, Noise, replaced
from aerun.parts import Hiding


class Masking(Hiding):
    """x_in = x * (1 - mask), mask ~ Bernoulli(p) for each entry of (B, *S); the rest is NOT rescaled (dropout does).

    Vincent et al. 2008, https://doi.org/10.1145/1390156.1390294
    """

    makes_holes = False
    elementwise = True

    def __init__(self, *, p: float, show_mask: bool) -> None:
        super().__init__(show_mask=show_mask)
        self.p = within("model.corruption.p", p, 0, 1)

    def hidden(self, x: Tensor) -> Tensor:
        return torch.rand_like(x) < self.p

    def describe(self) -> str:
        return f"{100 * self.p:g} % of the elements hidden"

    def noise_model(self, moments: Moments) -> Noise:
        return replaced(moments, self.p, (self.fill,))
