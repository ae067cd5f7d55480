"""Entries set to zero."""

import torch
from torch import Tensor

from aerun.checks import within
from aerun.parts import Corruption


class Masking(Corruption):
    """x_in = x * (1 - mask), mask ~ Bernoulli(p) for each entry of (B, *S); the rest is NOT rescaled (dropout does).

    Vincent et al. 2008, https://doi.org/10.1145/1390156.1390294
    """

    offers = frozenset({"mask"})

    def __init__(self, *, p: float) -> None:
        super().__init__()
        self.p = within("model.corruption.p", p, 0, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mask = torch.rand_like(x) < self.p
        return {"x_in": x.masked_fill(mask, 0), "mask": mask}
