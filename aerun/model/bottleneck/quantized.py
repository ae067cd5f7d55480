"""A code of whole numbers whose size in bits is part of the objective: learned compression."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from aerun.core.checks import at_least, integer
from aerun.parts import Bottleneck
from aerun.vocabulary import wide

_LEAST = 1e-9  # smallest probability: a level that the model of the codes rules out costs 30 bits


class Quantized(Bottleneck):
    """Use pass: z = round(h). Objective pass: z = h + u, u ~ U(-1/2, 1/2), which has the same density at whole numbers.

    `penalty` = rate * bits_i, bits_i = -sum_j log2 p_j(z_ij), (B,), p_j(z) = F_j(z + 1/2) - F_j(z - 1/2): with the mean
    squared error the objective is SE + rate * bits. F_j, the distribution of unit j at all places of a grid, is a mixture of
    `mixture` logistic ones, whose weights, centres and widths are learned. Shapes (B, d, *grid) -> (B, d, *grid).

    Watched, of a validation batch with noise: bits, the mean size of a code. Raises AerunError for a negative `rate`.
    Balle, Laparra & Simoncelli 2017, https://arxiv.org/abs/1611.01704; their F_j is another flexible curve. Their trade-off
    lambda 255^2 MSE + bits per pixel (as in CompressAI) is rate = 1 / (lambda 255^2).
    """

    offers = frozenset({"penalty"})
    watches = ("bits",)
    whole = True
    can_be_cut = False  # 0 is one of its numbers, and costs bits like others

    def __init__(self, *, latent_dim: int, rate: float, mixture: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.rate = at_least("model.bottleneck.rate", rate, 0)
        parts = integer("model.bottleneck.mixture", mixture, 1)
        self.weight = nn.Parameter(torch.zeros(latent_dim, parts))
        places = torch.ones(parts).cumsum(0) - (parts + 1) / 2  # arange on no device would import a compiler
        self.centre = nn.Parameter(places.repeat(latent_dim, 1))
        self.width = nn.Parameter(torch.full((latent_dim, parts), math.log(math.e - 1)))  # softplus of it is 1

    @property
    def features(self) -> int:
        return self.latent_dim

    def code(self, h: Tensor) -> Tensor:
        return h.round()

    def nearest(self, z: Tensor) -> Tensor:
        return z.round()

    def forward(self, h: Tensor) -> dict[str, Any]:
        z = wide(h) + torch.rand_like(wide(h)) - 0.5
        return {"z": z, "penalty": self.rate * self.bits(z)}

    def bits(self, z: Tensor) -> Tensor:
        """Return -sum_j log2 p_j(z_ij) of codes (B, d, *grid), (B,)."""
        return -self.probability(z).clamp_min(_LEAST).log2().flatten(1).sum(1)

    def probability(self, numbers: Tensor) -> Tensor:
        """Return p_j(z_ij) of numbers (B, d, *grid), in the same shape."""
        v = wide(numbers).movedim(1, -1)[..., None]  # (B, *grid, d, 1)
        away, width = v - self.centre, softplus(self.width) + 1e-3
        away = -away.abs()  # by symmetry, and exact in the tails
        inside = torch.sigmoid((away + 0.5) / width) - torch.sigmoid((away - 0.5) / width)
        return (inside * self.weight.softmax(-1)).sum(-1).movedim(-1, 1)

    def watch(self, z: Tensor) -> dict[str, Tensor]:
        return {"bits": self.bits(z).mean()}
