"""Sparsity by the number of active units."""

from torch import Tensor

from aerun.core.checks import at_least
from aerun.parts import Regularizer
from aerun.vocabulary import wide


class L0(Regularizer):
    """Omega_i = `active`_i, the number of units that are on for sample i; (B,).

    count: (mean_i active_i / count - 1)^2 instead, a statistic of the batch, which pulls their mean number to `count`.
    `active` has gradients for thresholds alone, so that codes are not shrunk, as L1 shrinks them.
    Rajamanoharan et al. 2024, https://arxiv.org/abs/2407.14435. Raises AerunError for a count that is not above 0.
    """

    def __init__(self, *, count: float | None) -> None:
        super().__init__()
        self.count = None if count is None else at_least("reg.terms.l0.count", count, 1e-12)
        self.batch_statistic = count is not None

    def forward(self, active: Tensor) -> Tensor:
        active = wide(active)
        return active if self.count is None else (active.mean() / self.count - 1).square()
