"""Squared length of the weights."""

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.parts import Regularizer
from aerun.regularizer.matrices import OF, select_matrices
from aerun.vocabulary import wide


class WeightL2(Regularizer):
    """Omega = sum W^2 over the entries of the matrices and kernels, biases and norms excluded; scalar. No factor 1/2.

    of: both (a tied matrix is counted once), encoder or decoder. On a linear autoencoder with `both`, the optimum has
    W1 = W2^T and singular values sqrt(1 - lambda / ev_j), with the principal components as left singular vectors of W2
    (Kunin et al. 2019, https://arxiv.org/abs/1901.08168). Unlike the decay of optimizer=adamw it is part of the objective,
    and Adam rescales it with the rest of the gradient (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101).
    `encoder` alone can be met by a small code and a large decoder. Raises AerunError for another `of`.
    """

    def __init__(self, *, of: str) -> None:
        super().__init__()
        self.of = one_of("reg.terms.weight_l2.of", of, OF)
        self.shrinks_code = of == "encoder"

    def forward(self, encoder_weights: list[Tensor], decoder_weights: list[Tensor]) -> Tensor:
        matrices = select_matrices("reg.terms.weight_l2", self.of, encoder_weights, decoder_weights)
        return torch.stack([wide(w).square().sum() for w in matrices]).sum()
