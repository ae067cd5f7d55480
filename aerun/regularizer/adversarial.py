"""Codes that an opponent cannot tell from the prior: the adversarial autoencoder."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import softplus

from aerun.parts import Opposed
from aerun.regularizer.discrepancy import mean_squared_distance, mmd2
from aerun.regularizer.discriminator import Discriminator, checked
from aerun.vocabulary import wide

_MOST = 500  # codes of a validation batch that the MMD reads: its cost grows with their square


class Adversarial(Opposed):
    """Omega_i = softplus(-D(z_i)) = -log sigmoid(D(z_i)), D the opponent's logit that z_i is a prior sample; (B, d) -> (B,).

    Three phases a batch, each with an optimizer of its own: (1) the autoencoder descends the reconstruction and every other
    term, (2) D descends mean softplus(-D(p)) + mean softplus(D(z)), p prior samples (*real*) and z codes (*fake*, without
    gradient), (3) the encoder alone descends Omega on a fresh pass (non-saturating). Adam would undo a factor of Omega, so
    reg.lambda times the weight scales the learning rate of phase 3. With tied weights phase 3 moves the decoder too.

    Watched: `accuracy` of D (towards 0.5 where the codes match; above 0.95 it is saturated and teaches nothing), `real` and
    `fake`, its mean probabilities sigmoid(D) on prior samples and codes, and `mmd`, MMD^2 to the prior (see mmd), from up to
    500 codes. Read these and not the loss, which is about log 2 at best and at worst.
    Makhzani et al. 2015, https://arxiv.org/abs/1511.05644. Raises AerunError for senseless settings and spatial codes.
    """

    apart = True
    watches = ("accuracy", "real", "fake", "mmd")

    def __init__(self, *, latent_dim: int, hidden: Sequence[int], lr: float, betas: Sequence[float]) -> None:
        lr, pair = checked("adversarial", lr, betas)
        super().__init__(lr=lr, betas=pair)
        self.opponent: Discriminator = Discriminator("adversarial", latent_dim, hidden)

    def forward(self, z: Tensor, prior: Distribution) -> Tensor:
        return softplus(-self.opponent.frozen(z))

    def oppose(self, z: Tensor, prior: Distribution) -> Tensor:
        return self.opponent.contrast(real=prior.sample(), fake=z)

    def watch(self, z: Tensor, prior: Distribution) -> dict[str, Tensor]:
        p = prior.sample()
        return {
            "accuracy": self.opponent.accuracy(real=p, fake=z),
            "real": torch.sigmoid(self.opponent(p)).mean(),
            "fake": torch.sigmoid(self.opponent(z)).mean(),
            "mmd": mmd2(wide(z)[:_MOST], p[:_MOST], mean_squared_distance(prior)),
        }
