"""What teaches the gate of a gated code which units are needed."""

from torch import Tensor

from aerun.core.facts import valid_weight
from aerun.parts import Regularizer
from aerun.vocabulary import Function, wide


class Gate(Regularizer):
    """Omega_i = ||x_i - decode(gate_i)||^2, the decoder's weights held; (B,). `gate`: max(h, 0) of bottleneck=gated.

    A gate has no gradient from the reconstruction: it says whether a unit is on, which is a step. Here it reconstructs by
    itself, beside regularizer=l1, which asks it to be off. The decoder is taught by the code alone: one that served both would
    again be shrunk codes' decoder. Elements without a step, and those of missing cells, are left out.
    Rajamanoharan et al. 2024, https://arxiv.org/abs/2404.16014
    """

    def forward(
        self, target: Tensor, gate: Tensor, decode_frozen: Function, valid: Tensor | None = None, seen: Tensor | None = None
    ) -> Tensor:
        missed = wide(target - decode_frozen(gate))
        return (missed.square() * valid_weight(valid, missed, seen)).flatten(1).sum(1)
