"""KL sparsity: each unit is on at a target rate."""

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.vocabulary import wide

_EPS = 1e-6


class Rate(Regularizer):
    """Omega = sum_j KL(rho || rho_hat_j), rho_hat_j = mean over the batch of rate_ij; (B, d, *grid) in [0, 1] -> scalar.

    KL(a || b) = a log(a / b) + (1 - a) log((1 - a) / (1 - b)), 0 at b = rho with curvature 1 / (rho (1 - rho)). A batch
    statistic: batches should hold well over 1 / rho samples. It sets each unit's mean over samples, not the number of
    units that are on in one sample. In a spatial code every place counts as a sample. rho_hat is kept in [1e-6, 1 - 1e-6].
    Raises AerunError for rho outside (0, 1).
    Ng 2011, https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf
    """

    batch_statistic = True

    def __init__(self, *, rho: float) -> None:
        super().__init__()
        if not 0 < rho < 1:
            raise AerunError(f"reg.terms.rate.rho={rho}: a target rate must lie strictly between 0 and 1.")
        self.rho = self.asked_rate = rho

    def forward(self, rate: Tensor) -> Tensor:
        rho_hat = wide(rate).transpose(0, 1).flatten(1).mean(1).clamp(_EPS, 1 - _EPS)
        target = torch.full_like(rho_hat, self.rho)
        on = target * (target.log() - rho_hat.log())
        off = (1 - target) * ((1 - target).log() - torch.log1p(-rho_hat))
        return (on + off).sum()
