"""The opponent that adversarial and factor share: a network that tells two kinds of codes apart."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from aerun.core.errors import AerunError
from aerun.model.arch.layers import widths
from aerun.vocabulary import wide


class Discriminator(nn.Module):
    """Code (B, d) -> logit (B,), positive where it takes the code for real: affine maps with leaky ReLU (0.2) between.

    asker: the regularizer's option, for messages. Raises AerunError for sizes that are not positive integers and, when
    called, for codes that are not (B, latent_dim).
    """

    def __init__(self, asker: str, latent_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.asker, self.latent_dim = asker, latent_dim
        layers: list[nn.Module] = []
        for a, b in pairwise([latent_dim, *widths(f"reg.terms.{asker}.hidden", hidden), 1]):
            layers += [nn.LeakyReLU(0.2), nn.Linear(a, b)]
        self.net = nn.Sequential(*layers[1:])

    def forward(self, z: Tensor) -> Tensor:
        if z.shape[1:] != (self.latent_dim,):
            raise AerunError(
                f"regularizer={self.asker} needs codes of {self.latent_dim} numbers each, but here a code has the shape "
                f"{tuple(z.shape[1:])}. Choose parts whose code is a vector, and leave reg.terms.{self.asker}.latent_dim alone."
            )
        logit: Tensor = self.net(z)
        return wide(logit).squeeze(1)

    def frozen(self, z: Tensor) -> Tensor:
        """Return the same logits; gradients reach z and never the discriminator's own weights."""
        logit: Tensor = functional_call(self, {k: v.detach() for k, v in self.named_parameters()}, (z,))
        return logit

    def contrast(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return its own loss, the cross-entropy of its guesses, a scalar.

        It is mean softplus(-D(real)) + mean softplus(D(fake)).
        """
        return softplus(-self(real)).mean() + softplus(self(fake)).mean()

    @torch.no_grad()
    def accuracy(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the share of right guesses, half of it from each kind; a scalar, 0.5 where it cannot tell."""
        right = (self(real) > 0).float().mean() + (self(fake) <= 0).float().mean()
        return right / 2


def checked(asker: str, lr: float, betas: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return an opponent's learning rate and the betas of its Adam.

    Raises AerunError where they are out of range.
    """
    key = f"reg.terms.{asker}"
    if not 0 < lr < float("inf"):
        raise AerunError(f"{key}.lr={lr}: must be a positive number.")
    if len(betas) != 2 or not all(0 <= b < 1 for b in betas):
        raise AerunError(f"{key}.betas={list(betas)}: must be two numbers, each at least 0 and below 1, such as [0.5,0.999].")
    return lr, (betas[0], betas[1])
