"""A non-negative code: units are on or exactly off."""

from typing import Any

import torch
from torch import Tensor

from aerun.parts import Bottleneck


class Relu(Bottleneck):
    """z = max(h, 0): (B, d) -> (B, d). The code of sparse autoencoders: an inactive unit is exactly 0.

    Glorot, Bordes & Bengio 2011, https://proceedings.mlr.press/v15/glorot11a.html
    """

    offers = frozenset({"encode", "slope"})

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def features(self) -> int:
        return self.latent_dim

    def forward(self, h: Tensor) -> dict[str, Any]:
        z = self.code(h)
        return {"z": z, "slope": (z > 0).to(z.dtype)}

    def code(self, h: Tensor) -> Tensor:
        return torch.relu(h)
