"""Codes of normal samples pulled to one point, from which others stay away: deep support vector data description."""

from collections.abc import Mapping

import torch
from torch import Tensor

from aerun.core.checks import number
from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.vocabulary import wide

_NEAR, _NARROW = 1e-3, 1e-2  # of the distance and of the spread before the first step: what is left of collapsed codes


class Svdd(Regularizer):
    """Omega_i = d_i = ||z_i - c||^2, c the mean code of the training samples before the first step; z (B, d, *grid) -> (B,).

    Units of c that are nearer to 0 than `least` are moved to +-`least`: weights of 0 would write c = 0 for every sample. c is
    no parameter and stays where it is; trained along, it and the codes would meet anywhere. `novelty` is d_i.
    An encoder that can write a constant collapses onto c, so that one with a bias, the learned shift of a norm or an
    activation that stands still at a value other than 0 is refused, as is one that shares its matrices with the decoder.
    Unlike the paper, which trains the encoder alone, the reconstruction stays in the objective and holds codes apart: the more
    reg.lambda, the less. Ruff et al. 2018, https://proceedings.mlr.press/v80/ruff18a.html

    Raises AerunError for a `least` that is not above 0, and for codes that are all 0 before the first step.
    """

    offers = frozenset({"novelty"})
    places_codes = True
    pulls = True
    watches = ("distance",)

    centre: Tensor  # (d, *grid)
    distance: Tensor  # mean d_i before the first step
    spread: Tensor  # summed variance of the units, likewise

    def __init__(self, *, latent_dim: int, least: float) -> None:
        super().__init__()
        self.least = number("reg.terms.svdd.least", least)
        if not self.least > 0:
            raise AerunError(f"reg.terms.svdd.least={least}: must be above 0, since weights of 0 would write c = 0 for all.")
        self.register_buffer("centre", torch.full((latent_dim,), self.least))
        self.register_buffer("distance", torch.tensor(1.0))
        self.register_buffer("spread", torch.tensor(1.0))

    def forward(self, z: Tensor) -> Tensor:
        return self.away(z)

    def away(self, z: Tensor) -> Tensor:
        """Return d of codes (n, d, *grid), (n,); the centre is the same at all places."""
        c = self.centre.reshape(-1, *[1] * (z.ndim - 2))
        return (wide(z) - c).square().flatten(1).sum(1)

    def novelty(self, z: Tensor) -> Tensor:
        return self.away(z)

    def watch(self, z: Tensor) -> dict[str, Tensor]:
        """Return the mean distance over that before the first step."""
        return {"distance": self.away(z).mean() / self.distance}

    def start_from(self, codes: Tensor) -> None:
        codes = wide(codes)
        c = codes.transpose(0, 1).flatten(1).mean(1)
        if not bool(codes.any()):
            raise AerunError(
                "regularizer=svdd: all codes are 0 before the first step, so that there is nothing to pull together: "
                "another seed, or another model.arch.activation."
            )
        side = torch.where(c < 0, -self.least, self.least)
        self.centre.copy_(torch.where(c.abs() < self.least, side, c))
        self.distance.copy_(self.away(codes).mean())
        self.spread.copy_(_spread(codes))

    def figures(self, codes: Tensor) -> dict[str, float]:
        """Return mean distance and spread of codes, over those before the first step."""
        codes = wide(codes)
        spread = _spread(codes) / self.spread.clamp_min(1e-30)
        return {"distance": float(self.away(codes).mean() / self.distance), "spread": float(spread)}

    def warning(self, figures: Mapping[str, float]) -> str:
        if figures["distance"] >= _NEAR or figures["spread"] >= _NARROW:
            return ""
        return (
            f"SphereCollapse: codes lie {figures['distance']:.1g} times as far from the centre as before the first step and "
            f"vary {figures['spread']:.1g} times as much: every sample has the same code, and `novelty` means nothing. Lower "
            "reg.lambda or train for fewer epochs."
        )


def _spread(codes: Tensor) -> Tensor:
    """Return the variance of codes (n, d, *grid), summed over units and places."""
    return codes.flatten(1).var(0, correction=0).sum()
