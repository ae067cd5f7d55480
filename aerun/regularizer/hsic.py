"""Units that are independent of each other, pair by pair."""

import torch
from torch import Tensor

from aerun.core.checks import integer
from aerun.parts import Regularizer
from aerun.regularizer.units import standardized, table


class Hsic(Regularizer):
    """Omega = sum_{a < b} tr(K_a H K_b H) / (N - 1)^2, the Hilbert-Schmidt independence criterion of all pairs; scalar.

    K_a (N, N) the Gaussian kernel exp(-|z_ia - z_ja|^2 / m_a), m_a the median of the squared distances that are not 0 (so
    2 sigma^2 = m_a, as in the authors' own code), H = I - 1/N. With M_a = H K_a H it is (||sum_a M_a||^2 -
    sum_a ||M_a||^2) / 2 / (N - 1)^2: d N^2 operations, and some four times d N^2 numbers of memory.

    (B, d, *grid): the places of a grid count as samples. Where that makes more than `rows`, so many are drawn afresh at
    every call, without replacement. A batch statistic with a floor near 1 / N, also for independent units. Units are
    standardized first and m_a carries no gradient: neither changes the value, and no gradient asks for a smaller code.
    A constant unit adds 0. Raises AerunError for rows below 2.
    Gretton et al. 2005, https://doi.org/10.1007/11564089_7; 2007, https://papers.nips.cc/paper/3201
    """

    batch_statistic = True

    def __init__(self, *, rows: int) -> None:
        super().__init__()
        self.rows = integer("reg.terms.hsic.rows", rows, 2)

    def forward(self, z: Tensor) -> Tensor:
        units = standardized(self._subsample(table(z))).t()  # (d, N)
        distances = (units[:, :, None] - units[:, None, :]).square()  # (d, N, N)
        kernels = torch.exp(-distances / _median(distances.detach())[:, None, None])
        rows = kernels.mean(2, keepdim=True)
        centred = kernels - rows - rows.mT + rows.mean(1, keepdim=True)
        twice = centred.sum(0).square().sum() - centred.square().sum()
        return twice / 2 / max(1, units.shape[1] - 1) ** 2

    def _subsample(self, rows: Tensor) -> Tensor:
        """Return at most `self.rows` rows of (N, d), drawn without replacement."""
        if len(rows) <= self.rows:
            return rows
        return rows[torch.randperm(len(rows), device=rows.device)[: self.rows]]


def _median(distances: Tensor) -> Tensor:
    """Return the median of the positive entries of (d, N, N) for each unit, (d,); 1 where there are none."""
    positive = distances.masked_fill(distances == 0, torch.nan)
    return positive.flatten(1).nanmedian(1).values.nan_to_num(1.0)
