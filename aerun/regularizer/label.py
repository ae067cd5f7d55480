"""Codes of a class and a vector that opponents cannot tell from their priors, the class learned from few labels."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import softplus

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.parts import Opposed
from aerun.regularizer.classes import accuracy, of_one_group, share_known, share_of_batches
from aerun.regularizer.discriminator import Discriminator, checked


class Label(Opposed):
    """Omega_i = softplus(-D(u_i)) + softplus(-E(y_i)): opponents D and E judge the vector and the class of z = (u, y); (B,).

    Four phases a batch, each with an optimizer of its own: (1) the autoencoder descends the reconstruction and other terms, (2)
    D and E learn to tell draws of N(0, I) and of equally likely classes from u and y, (3) the encoder alone descends Omega, (4)
    it descends -log q(y_i|x_i), the mean over the samples of the batch whose class is known (`dataset.labelled`), 0 without
    any. Where fewer are known, the share `known` of each batch are such samples, drawn anew. reg.lambda times the weight scales
    the learning rate of (3), see adversarial, and not of (4).
    Needs `model/bottleneck=softmax`, or joint of one group, of as many classes as the terms are told (`dataset.condition=label
    dataset.condition_to=terms`).

    Watched: accuracy, the share of validation samples whose likeliest class is the right one; vector and class, how often D and
    E are right (towards 0.5 where the codes match). Raises AerunError for senseless settings, codes without such a group, and
    where no class is known. Makhzani et al. 2015, https://arxiv.org/abs/1511.05644
    """

    apart = True
    infers = True
    guides = True
    watches = ("accuracy", "vector", "class")

    def __init__(
        self, *, latent_dim: int, classes: int, hidden: Sequence[int], known: float, lr: float, betas: Sequence[float]
    ) -> None:
        lr, pair = checked("label", lr, betas)
        super().__init__(lr=lr, betas=pair)
        self.known_share = share_of_batches("label", known)
        self.classes = integer("reg.terms.label.classes", classes, 2)
        if classes >= latent_dim:
            raise AerunError(f"reg.terms.label.classes={classes}: needs model.latent_dim above that, and it is {latent_dim}.")
        self.opponent: nn.ModuleList = nn.ModuleList(Discriminator("label", n, hidden) for n in (latent_dim - classes, classes))

    def setup_known(self, c: Tensor) -> None:
        share_known("label", c)

    def forward(self, z: Tensor, prior: Distribution, log_classes: Tensor, c: Tensor) -> Tensor:
        of_one_group("label", log_classes, c)
        vector, kind = (softplus(-d.frozen(part)) for d, part in self._judged(z))
        return vector + kind

    def oppose(self, z: Tensor, prior: Distribution) -> Tensor:
        both = zip(self._judged(z), self._judged(prior.sample()), strict=True)
        losses = [d.contrast(real=real, fake=fake) for (d, fake), (_, real) in both]
        return torch.stack(losses).sum()

    def guide(self, log_classes: Tensor, c: Tensor) -> Tensor:
        log_q, y, known = of_one_group("label", log_classes, c)
        return -(y * log_q).sum() / known.sum().clamp_min(1)

    def watch(self, z: Tensor, prior: Distribution, log_classes: Tensor, c: Tensor) -> dict[str, Tensor]:
        both = zip(self._judged(z), self._judged(prior.sample()), strict=True)
        vector, kind = (d.accuracy(real=real, fake=fake) for (d, fake), (_, real) in both)
        return {"accuracy": accuracy(log_classes, c), "vector": vector, "class": kind}

    def _judged(self, z: Tensor) -> list[tuple[Discriminator, Tensor]]:
        """Return the opponents, each with its part of codes (B, d)."""
        parts = z.split([z.shape[1] - self.classes, self.classes], 1)
        return [(cast(Discriminator, d), part) for d, part in zip(self.opponent, parts, strict=True)]
