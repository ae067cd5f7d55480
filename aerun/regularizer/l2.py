"""Squared length of the code."""

from torch import Tensor

from aerun.parts import Regularizer
from aerun.vocabulary import wide


class L2(Regularizer):
    """Omega_i = sum_j z_ij^2, over units and the places of a grid; (B, d, *grid) -> (B,).

    The code term of the regularized autoencoder, which has 1/2 ||z||^2 beside a penalty on the decoder: without that (or
    tied weights, or unit atoms) it is met by a small code and a large decoder.
    Ghosh et al. 2020, https://arxiv.org/abs/1903.12436
    """

    shrinks_code = of_length = True

    def forward(self, z: Tensor) -> Tensor:
        return wide(z).square().flatten(1).sum(1)
