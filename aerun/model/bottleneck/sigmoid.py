"""A code of probabilities."""

from typing import Any

import torch
from torch import Tensor

from aerun.parts import Bottleneck


class Sigmoid(Bottleneck):
    """z = 1 / (1 + exp(-h)): (B, d) -> (B, d) in (0, 1); `rate` = z, slope = z (1 - z).

    The code of KL sparsity (Ng 2011, https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf) and of the
    contractive autoencoder (Rifai et al. 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf).
    """

    offers = frozenset({"encode", "slope", "rate"})

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def features(self) -> int:
        return self.latent_dim

    def forward(self, h: Tensor) -> dict[str, Any]:
        z = self.code(h)
        return {"z": z, "rate": z, "slope": z * (1 - z)}

    def code(self, h: Tensor) -> Tensor:
        return torch.sigmoid(h)
