"""Errors of a reconstruction weighted by what they change in the network that goes on from it, by one matrix."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.vocabulary import Function, wide


class Weighted(Regularizer):
    """Omega_i = d' M d / 2, d = x_i - x_hat_i in the activations' own units; (B,).

    With M = E[J' (diag p - p p') J], J the Jacobian of the logits behind by the activations and p their softmax, this is the
    divergence of regularizer=downstream for small errors, at the price of one product.
    features: a file of M, (D, D): npy, or of torch.save. network: its size in words, which aerun fills in; a checkpoint holds
    M, and the file is read when training begins. Raises AerunError without one.
    """

    judges_whole = True
    borrows = True
    borrowed_as = "matrix"

    matrix: Tensor

    def __init__(self, *, features: str | None, network: Sequence[str] | None, source: int = 0) -> None:
        super().__init__()
        words = [] if network is None or len(network) != 1 else network[0].split()
        if features is None or words[:1] != ["matrix"] or not words[-1].isdecimal():
            raise AerunError(
                "regularizer=weighted needs the matrix that weights errors: reg.terms.weighted.features=FILE, (D, D), npy "
                "or of torch.save."
            )
        self.source = source
        self.register_buffer("matrix", torch.zeros(int(words[-1]), int(words[-1])))

    def borrow(self, weights: Mapping[str, Tensor]) -> None:
        self.load_state_dict(weights)

    def forward(self, x: Tensor, x_hat: Tensor, own: Function) -> Tensor:
        d = wide(own(x) - own(x_hat))[:, self.source :]
        return ((d @ self.matrix) * d).sum(1) / 2
