"""The contrast of independent component analysis."""

import math

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.parts import Regularizer
from aerun.vocabulary import wide

_EPS = 1e-2


class Contrast(Regularizer):
    """Omega_i = sum_j g(z_ij), over units and the places of a grid; (B, d, *grid) -> (B,).

    g: logcosh    log cosh z, as |z| for large z without overflow;
       l1smooth   sqrt(z^2 + 0.01) - 0.1.

    On whitened data with an orthonormal tied layer (model/arch=linear, tied=true, atoms=orthogonal) its minimum is the
    independent components, where the sources have heavier tails than a Gaussian: reconstruction ICA. g grows with |z|,
    so that without such a constraint a small code and a large decoder meet it.
    Le et al. 2011, https://papers.nips.cc/paper/4467; Hyvarinen 1999, https://doi.org/10.1109/72.761722.
    Raises AerunError for another g.
    """

    shrinks_code = True

    def __init__(self, *, g: str) -> None:
        super().__init__()
        self.g = one_of("reg.terms.contrast.g", g, ("logcosh", "l1smooth"))

    def forward(self, z: Tensor) -> Tensor:
        z = wide(z)
        value = torch.logaddexp(z, -z) - math.log(2) if self.g == "logcosh" else (z.square() + _EPS).sqrt() - _EPS**0.5
        return value.flatten(1).sum(1)
