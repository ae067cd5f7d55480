"""A non-negative code: units are on or exactly off."""

import torch
from torch import Tensor

from aerun.model.bottleneck.elementwise import Elementwise


class Relu(Elementwise):
    """z = max(h, 0): (B, d) -> (B, d). The code of sparse autoencoders: an inactive unit is exactly 0.

    Glorot, Bordes & Bengio 2011, https://proceedings.mlr.press/v15/glorot11a.html
    """

    def code(self, h: Tensor) -> Tensor:
        return torch.relu(h)

    def slope(self, z: Tensor) -> Tensor:
        return (z > 0).to(z.dtype)
