"""Sum of the sizes of the weights."""

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.parts import Regularizer
from aerun.regularizer.matrices import OF, select_matrices
from aerun.vocabulary import wide


class WeightL1(Regularizer):
    """Omega = sum |W| over the entries of the matrices and kernels, biases and norms excluded; scalar.

    of: both (a tied matrix is counted once), encoder or decoder. Weights come close to 0 and seldom reach it: an optimizer's
    step crosses 0 instead of stopping there. `encoder` alone can be met by a small code and a large decoder.
    It acts on weights, not on activations as l1 does. Raises AerunError for another `of`.
    Tibshirani 1996, https://doi.org/10.1111/j.2517-6161.1996.tb02080.x
    """

    def __init__(self, *, of: str) -> None:
        super().__init__()
        self.of = one_of("reg.terms.weight_l1.of", of, OF)
        self.shrinks_code = of == "encoder"

    def forward(self, encoder_weights: list[Tensor], decoder_weights: list[Tensor]) -> Tensor:
        matrices = select_matrices("reg.terms.weight_l1", self.of, encoder_weights, decoder_weights)
        return torch.stack([wide(w).abs().sum() for w in matrices]).sum()
