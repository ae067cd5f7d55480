"""A plain real code."""

from typing import Any

import torch
from torch import Tensor

from aerun.parts import Bottleneck


class Vector(Bottleneck):
    """z = h: (B, d) -> (B, d), unbounded. With d below the input's size this is the undercomplete code.

    Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647 (linear code units).
    """

    offers = frozenset({"encode", "slope"})

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def features(self) -> int:
        return self.latent_dim

    def forward(self, h: Tensor) -> dict[str, Any]:
        return {"z": h, "slope": torch.ones_like(h)}

    def code(self, h: Tensor) -> Tensor:
        return h
