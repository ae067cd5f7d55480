"""Weight matrices that keep lengths and angles."""

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.parts import Regularizer
from aerun.regularizer.matrices import OF, select_matrices
from aerun.regularizer.units import gram
from aerun.vocabulary import wide


class Orthogonal(Regularizer):
    """Omega = sum over the chosen matrices of ||G - I||_F^2, G the Gram matrix of the smaller side; scalar.

    A kernel (n, m, *sides) is read as the matrix (n, m * sides). The larger side could never be orthonormal: its penalty
    would stay at the difference of the sides. of: code, the decoder's first matrix, whose columns are the atoms that the
    code weighs; or all matrices of encoder, decoder or both (a tied one is counted once). `code` is the default because it
    makes the code's scale and angles those of the data and leaves the other layers their capacity.
    Its hard form, exact after every step, is model.arch.atoms=orthogonal. Raises AerunError for another `of`.
    Brock et al. 2017, https://arxiv.org/abs/1609.07093
    """

    def __init__(self, *, of: str) -> None:
        super().__init__()
        self.of = one_of("reg.terms.orthogonal.of", of, ("code", *OF))

    def forward(self, encoder_weights: list[Tensor], decoder_weights: list[Tensor]) -> Tensor:
        matrices = select_matrices("reg.terms.orthogonal", self.of, encoder_weights, decoder_weights)
        return torch.stack([_departure(wide(w).flatten(1)) for w in matrices]).sum()


def _departure(m: Tensor) -> Tensor:
    """Return ||G - I||_F^2 of a matrix (n, m), G (s, s) with s = min(n, m)."""
    small = gram(m if m.shape[0] >= m.shape[1] else m.t())
    return (small - torch.eye(len(small), dtype=small.dtype, device=small.device)).square().sum()
