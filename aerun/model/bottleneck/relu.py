"""A non-negative code: units are on or exactly off."""

from typing import Any

import torch
from torch import Tensor

from aerun.model.bottleneck.spared import Spared
from aerun.parts import Thresholded


class Relu(Spared):
    """z = max(h, 0): (B, d) -> (B, d). The code of sparse autoencoders: an inactive unit is exactly 0.

    k_aux: so many silent units of a sample may be revived (regularizer=revival); null: none, and silence is not counted.
    Glorot, Bordes & Bengio 2011, https://proceedings.mlr.press/v15/glorot11a.html
    """

    def __init__(self, *, latent_dim: int, k_aux: int | None, dead_after: int) -> None:
        super().__init__()
        if k_aux is not None:
            self._set_up(latent_dim, k_aux, dead_after)
            return
        self.latent_dim = latent_dim
        self.offers = Spared.offers - {"spare"}
        self.lacking = {"spare": ("model.bottleneck.k_aux", "null", "32")}
        self.watches, self.follows_batches = (), False

    def thresholded(self) -> Thresholded:
        return self._as_it_is()

    def code(self, h: Tensor) -> Tensor:
        return torch.relu(h)

    def forward(self, h: Tensor) -> dict[str, Any]:
        z = self.code(h)
        slope = (z > 0).to(z.dtype)
        return self._filled(h, z, slope) if "spare" in self.offers else {"z": z, "slope": slope}
