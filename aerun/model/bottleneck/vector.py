"""A plain real code."""

import torch
from torch import Tensor

from aerun.model.bottleneck.elementwise import Elementwise


class Vector(Elementwise):
    """z = h: (B, d) -> (B, d), unbounded. With d below the input's size this is the undercomplete code.

    It promises no distribution; a prior is the reference for regularizers that ask the codes to follow one.
    Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647 (linear code units).
    """

    space = "real"

    def code(self, h: Tensor) -> Tensor:
        return h

    def slope(self, z: Tensor) -> Tensor:
        return torch.ones_like(z)
