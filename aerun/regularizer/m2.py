"""Classes of which few are known: the semi-supervised bound of a code of a class beside real numbers."""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import at_least
from aerun.model.bottleneck.one_hot import hot
from aerun.parts import Regularizer
from aerun.regularizer.classes import accuracy, of_one_group, share_known, share_of_batches, weights
from aerun.regularizer.log_ratio import divergence
from aerun.vocabulary import Function, wide


class M2(Regularizer):
    """Omega_i = J_i - reconstruction_i: with reg.lambda = 1 the objective is the mean of J_i. z (B, d) -> (B,).

    L(x, y) = -log p(x|u, y) + KL(q(u|x) || p(u)) + log K,  y one of K classes, u the rest of the code
    J_i = L(x_i, y_i) - alpha (N / N_lab) log q(y_i|x_i)    where y_i is known (`dataset.labelled`), of N_lab of N samples
    J_i = U(x_i) = sum_y q(y|x_i) L(x_i, y) - H(q(y|x_i))   where it is not, and for all samples in validation and test,

    so that labels of those choose no epoch. Use it in place of kl, with `model/bottleneck=joint` or `categorical` of one group
    of as many classes as are told the terms (`dataset.condition=label dataset.condition_to=terms`). A step costs K decoder
    passes, its own among them, in which the class of a code is whole. Where fewer are known, the share `known` of each batch
    are samples whose class is known, drawn anew: among few in large batches they would hardly ever be seen. Samples are then
    weighed so that the mean over batches stays that of J_i. q(u|x) does not read y, unlike the paper's q(u|x, y). The
    reconstruction must be a negative log-likelihood in nats, as for iwae.

    accuracy (logged): the share of validation samples whose likeliest class is the right one. Raises AerunError for a negative
    alpha, a share that is none, codes without such a group, and where no class is known. Kingma et al. 2014, https://arxiv.org/abs/1406.5298
    """

    watches = ("accuracy",)
    infers = True

    share: Tensor

    def __init__(self, *, alpha: float, known: float) -> None:
        super().__init__()
        self.known_share = share_of_batches("m2", known)
        self.alpha = at_least("reg.terms.m2.alpha", alpha, 0)
        self.register_buffer("share", torch.ones(()))  # N_lab / N

    def setup_known(self, c: Tensor) -> None:
        self.share.copy_(share_known("m2", c))

    def fill(self, z: Tensor, log_classes: Tensor) -> dict[str, Tensor]:
        """Return z with its class whole and without a gradient: the sum over classes has that."""
        classes = log_classes.shape[2]
        return {"z": torch.cat([z[:, :-classes], hot(z[:, -classes:].detach(), 1)], 1)} if z.ndim == 2 else {}

    def forward(
        self,
        z: Tensor,
        posterior: Distribution,
        prior: Distribution,
        log_classes: Tensor,
        reconstruction: Tensor,
        judge: Function,
        c: Tensor,
    ) -> Tensor:
        log_q, y, known = of_one_group("m2", log_classes, c)
        rest = divergence(posterior, prior, z).flatten(1)[:, :-1].sum(1)  # the last is that of the class
        own = wide(reconstruction)
        each = self._of_classes(z, own, judge, log_q.shape[1]) + (rest + math.log(log_q.shape[1]))[:, None]  # L, (B, K)
        unknown = (log_q.exp() * (each + log_q)).sum(1)
        if not self.training:
            return unknown - own
        often, seldom = weights(self.share, self.known_share)
        labelled = often * (y * (each - self.alpha / self.share * log_q)).sum(1)
        return torch.where(known > 0, labelled, seldom * unknown) - own

    def _of_classes(self, z: Tensor, own: Tensor, judge: Function, classes: int) -> Tensor:
        """Return the reconstruction losses (B, K) of codes z (B, d) with each class in the place of their own.

        In training that of a code's own class, which is whole, is known already: `own` (B,).
        """
        every = torch.arange(classes, device=z.device)
        if not self.training:
            return wide(judge(_with_classes(z, every.expand(len(z), -1), classes))).t()
        k = z[:, -classes:].argmax(1, keepdim=True)
        others = (k + every[1:]) % classes
        losses = wide(judge(_with_classes(z, others, classes))).t()
        return torch.cat([losses, own[:, None]], 1).gather(1, (every - k - 1) % classes)

    def watch(self, log_classes: Tensor, c: Tensor) -> dict[str, Tensor]:
        return {"accuracy": accuracy(log_classes, c)}


def _with_classes(z: Tensor, numbers: Tensor, classes: int) -> Tensor:
    """Return codes z (B, d) with these classes (B, n) in turn in place of their own, (n * B, d)."""
    u = z[:, : z.shape[1] - classes]
    ones = torch.eye(classes, dtype=z.dtype, device=z.device)[numbers.t()]  # (n, B, K)
    return torch.cat([u.expand(len(ones), *u.shape), ones], 2).flatten(0, 1)
