"""Two decoders, the second of which learns to tell the first one's reconstructions from samples: USAD."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call

from aerun.core.checks import at_least, within
from aerun.core.errors import AerunError
from aerun.core.facts import valid_weight
from aerun.model.arch.layers import widths
from aerun.parts import Opposed
from aerun.regularizer.discriminator import checked
from aerun.vocabulary import Function


class Second(nn.Module):
    """Decoder D2: code (B, d) -> sample (B, *S) in [0, 1], affine maps with ReLU between and a sigmoid at the end."""

    def __init__(self, latent_dim: int, shape: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        sizes = [latent_dim, *widths("reg.terms.usad.hidden", hidden), int(torch.Size(shape).numel())]
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.ReLU(), nn.Linear(a, b)]
        self.latent_dim = latent_dim
        self.net = nn.Sequential(*layers[1:], nn.Sigmoid(), nn.Unflatten(1, tuple(shape)))

    def forward(self, z: Tensor) -> Tensor:
        if z.shape[1:] != (self.latent_dim,):
            raise AerunError(
                f"regularizer=usad needs codes that are vectors, and here a code has the shape {tuple(z.shape[1:])}."
            )
        out: Tensor = self.net(z)
        return out

    def frozen(self, z: Tensor) -> Tensor:
        """Return the same; gradients reach z and never its own weights."""
        out: Tensor = functional_call(self, {k: v.detach() for k, v in self.named_parameters()}, (z,))
        return out


class Usad(Opposed):
    """Omega_i = w (||x_i - D2(E(x_hat_i))||^2 - ||x_i - x_hat_i||^2), E the encoder, D2 a second decoder, the opponent; (B,).

    With model/loss=mse and reg.lambda 1 the model descends (1 - w) ||x - x_hat||^2 + w ||x - D2(E(x_hat))||^2, the paper's L1;
    D2 descends L2 = (1 - w) ||x - D2(z)||^2 - w ||x - D2(E(x_hat))||^2 on the pass's codes. w = min(1 - 1/n, cap), n from 1
    to `rounds` as training goes on: the paper counts epochs without a cap, and at w = 1 D2 has no error left to descend. Each
    side receives the gradient of its own loss alone. Unlike in the paper the encoder descends L1 only, not L2 as well.

    `novelty` = (1 - share) ||x - x_hat||^2 + share ||x - D2(E(x_hat))||^2. Watched: second, the mean of the latter norm.
    Samples lie in [0, 1]. Raises AerunError for others, spatial codes, samples of varying length and senseless settings.
    Audibert et al. 2020, https://doi.org/10.1145/3394486.3403392
    """

    offers = frozenset({"novelty"})
    watches = ("second",)

    def __init__(
        self,
        *,
        latent_dim: int,
        shape: tuple[int, ...],
        ragged: bool,
        low: float | None,
        high: float | None,
        hidden: Sequence[int],
        rounds: float,
        cap: float,
        share: float,
        lr: float,
        betas: Sequence[float],
    ) -> None:
        lr, pair = checked("usad", lr, betas)
        super().__init__(lr=lr, betas=pair)
        if ragged:
            raise AerunError("regularizer=usad needs samples of one length, and this data set's differ.")
        if low is None or high is None or low < 0 or high > 1:
            raise AerunError(
                "regularizer=usad needs values between 0 and 1, which its second decoder writes: dataset.prepare=minmax, say."
            )
        self.rounds = at_least("reg.terms.usad.rounds", rounds, 1)
        self.cap = within("reg.terms.usad.cap", cap, 0, 1)
        if self.cap == 1:
            raise AerunError("reg.terms.usad.cap=1: the second decoder would have no error left to descend: 0.9, say.")
        self.share = within("reg.terms.usad.share", share, 0, 1)
        self.opponent: Second = Second(latent_dim, shape, hidden)

    def weight_at(self, progress: float) -> float:
        """Return w at `progress` in [0, 1] of training."""
        return float(min(1 - 1 / (1 + progress * (self.rounds - 1)), self.cap))

    def forward(
        self,
        x: Tensor,
        x_hat: Tensor,
        encode: Function,
        progress: float,
        valid: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        weight = valid_weight(valid, x, seen)
        twice = _error(self.opponent.frozen(encode(x_hat)), x, weight)
        return self.weight_at(progress) * (twice - _error(x_hat, x, weight))

    def oppose(
        self,
        x: Tensor,
        x_hat: Tensor,
        z: Tensor,
        encode: Function,
        progress: float,
        valid: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        weight, w = valid_weight(valid, x, seen), self.weight_at(progress)
        with torch.no_grad():
            again = encode(x_hat)
        once, twice = (_error(self.opponent(code), x, weight) for code in (z, again))
        return ((1 - w) * once - w * twice).mean()

    def novelty(
        self, x: Tensor, x_hat: Tensor, encode: Function, valid: Tensor | None = None, seen: Tensor | None = None
    ) -> Tensor:
        weight = valid_weight(valid, x, seen)
        twice = _error(self.opponent(encode(x_hat)), x, weight)
        return (1 - self.share) * _error(x_hat, x, weight) + self.share * twice

    def watch(
        self, x: Tensor, x_hat: Tensor, encode: Function, valid: Tensor | None = None, seen: Tensor | None = None
    ) -> dict[str, Tensor]:
        return {"second": _error(self.opponent(encode(x_hat)), x, valid_weight(valid, x, seen)).mean()}


def _error(x_hat: Tensor, x: Tensor, weight: Tensor | float) -> Tensor:
    """Return the squared error of each sample, (B,)."""
    return ((x_hat - x).square() * weight).flatten(1).sum(1)
