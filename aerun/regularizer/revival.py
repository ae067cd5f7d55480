"""Units that have long been silent learn what the others leave over."""

import torch
from torch import Tensor

from aerun.core.facts import valid_weight
from aerun.parts import Regularizer
from aerun.vocabulary import Function, wide


class Revival(Regularizer):
    """Omega_i = ||e_i - (decode(s_i) - decode(0))||^2, e = x - x_hat without gradient, s = `spare`; 0 where s_i = 0; (B,).

    The reconstruction error is fitted by the dead units alone, which brings gradients to units that the code never uses (AuxK,
    Gao et al. 2024, https://arxiv.org/abs/2406.04093, there with weight 1/32). With a linear decoder decode(s) - decode(0) is
    W s; a deeper decoder or a sigmoid output is taken as it is, activation included: the difference is then what the spare
    units add to the empty code, not to z. Elements without a step, and those of missing cells, are left out.
    """

    def forward(
        self, x: Tensor, x_hat: Tensor, spare: Tensor, decode: Function, valid: Tensor | None = None, seen: Tensor | None = None
    ) -> Tensor:
        error = wide(x - x_hat).detach()
        missed = error - (wide(decode(spare)) - wide(decode(torch.zeros_like(spare))))
        each = (missed.square() * valid_weight(valid, missed, seen)).flatten(1).sum(1)
        return each * spare.flatten(1).any(1)
