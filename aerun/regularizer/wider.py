"""A code of more units is judged beside the code itself."""

from torch import Tensor

from aerun.parts import Regularizer
from aerun.vocabulary import Function, wide


class Wider(Regularizer):
    """Omega_i = the reconstruction loss of sample i from `wider`, the code of several times as many units; (B,).

    A code of k units whose decoder also serves 4 k keeps what it is worth where other units than the k largest count, and has
    fewer dead ones (Multi-TopK: Gao et al. 2024, https://arxiv.org/abs/2406.04093, with weight 1/8). The code itself stays the
    one of k units. It costs a decoder pass.
    """

    def forward(self, wider: Tensor, judge: Function) -> Tensor:
        return wide(judge(wider))[0]
