"""A code of probabilities."""

from typing import Any

import torch
from torch import Tensor

from aerun.model.bottleneck.elementwise import Elementwise


class Sigmoid(Elementwise):
    """z = 1 / (1 + exp(-h)): (B, d) -> (B, d) in (0, 1); `rate` = z, slope = z (1 - z).

    The code of KL sparsity (Ng 2011, https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf) and of the
    contractive autoencoder (Rifai et al. 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf).
    """

    offers = Elementwise.offers | {"rate"}

    def code(self, h: Tensor) -> Tensor:
        return torch.sigmoid(h)

    def slope(self, z: Tensor) -> Tensor:
        return z * (1 - z)

    def forward(self, h: Tensor) -> dict[str, Any]:
        outputs = super().forward(h)
        return {**outputs, "rate": outputs["z"]}
