"""Units that are independent of one another, judged by an opponent: FactorVAE."""

from collections.abc import Sequence

import torch
from torch import Tensor

from aerun.parts import Opposed
from aerun.regularizer.discriminator import Discriminator, checked
from aerun.regularizer.tc import gaussian_tc
from aerun.vocabulary import wide


class Factor(Opposed):
    """Omega_i = D(z_i), a logit whose mean estimates TC = KL(q(z) || prod_j q(z_j)); (B, d) -> (B,).

    The opponent D tells codes (*real*) from codes whose units were each shuffled over the batch (*fake*); trained to the end,
    D(z) = log q(z) - sum_j log q(z_j). It learns on one half of a batch as it is and on the other half shuffled, so that
    no sample is seen as both. The encoder descends Omega with the rest of the objective, D fixed.
    Kim & Mnih 2018, https://arxiv.org/abs/1802.05983 (gamma = reg.lambda times weight, 10 to 100 there, on 64 x 64 images).

    Needs no posterior, so any vector code will do; a code of fixed scale (a gaussian one with kl, batch norm) keeps the units
    from escaping in other ways. Watched: `accuracy` of D (towards 0.5 where the units are independent) and `gaussian`, the
    total correlation of a Gaussian with the batch's covariance (see tc): D's own figure is worth what D is worth.
    Raises AerunError for senseless settings and spatial codes.
    """

    batch_statistic = shuffles = True  # the opponent shuffles over the batch
    watches = ("accuracy", "gaussian")

    def __init__(self, *, latent_dim: int, hidden: Sequence[int], lr: float, betas: Sequence[float]) -> None:
        lr, pair = checked("factor", lr, betas)
        super().__init__(lr=lr, betas=pair)
        self.opponent: Discriminator = Discriminator("factor", latent_dim, hidden)

    def forward(self, z: Tensor) -> Tensor:
        return self.opponent.frozen(z)

    def oppose(self, z: Tensor) -> Tensor:
        return self.opponent.contrast(*halves(z))

    def watch(self, z: Tensor) -> dict[str, Tensor]:
        return {"accuracy": self.opponent.accuracy(*halves(z)), "gaussian": gaussian_tc(wide(z))}


def halves(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return every second code of (B, d) as it is, and the others shuffled."""
    return z[::2], shuffled(z[1::2])


def shuffled(z: Tensor) -> Tensor:
    """Return codes (B, d) with each unit's values in an order of its own: every marginal stays, the joint is lost."""
    return z.gather(0, torch.rand_like(z).argsort(0))
