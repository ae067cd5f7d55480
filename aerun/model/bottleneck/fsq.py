"""A discrete code without a codebook: every number is rounded to one of a few levels."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.parts import Discrete
from aerun.vocabulary import wide

_MOST = 1 << 15  # levels of one unit that are coded
_EDGE = 1e-3  # share by which the bound lies beyond the outermost levels, which tanh would else never reach


class Fsq(Discrete):
    """z_j = round(b(h_j)) / floor(L_j / 2), one of L_j levels: (B, d, *grid) -> (B, d, *grid) in [-1, 1].

    b(h) = tanh(h) (L - 1) / 2 where L is odd; where it is even, tanh(h + s) (L - 1) / 2 - 1/2 with s such that b(0) = 0. With
    two levels z = sign(h), since a half of that shift would leave one of them without use. Gradients pass the rounding straight
    through: dz/dh = b'(h) / floor(L / 2) > 0. Nothing is learned here and nothing is asked for: no codebook, no penalty.

    levels: L, for all units, or a list with one for each; a code takes sum_j log2 L_j bits at each place.

    Watched, of a validation batch: used, how many of the sum_j L_j levels occur; bits. Raises AerunError for fewer than 2
    levels and a list of another length than the code.
    Mentzer, Minnen, Agustsson & Tschannen 2023, https://arxiv.org/abs/2309.15505
    """

    watches = ("used", "bits")

    reach: Tensor
    shift: Tensor
    offset: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, *, latent_dim: int, levels: int | Sequence[int]) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.levels = _levels(levels, latent_dim)
        n = torch.tensor(self.levels, dtype=torch.float64)
        two, even = n == 2, n % 2 == 0
        half = (n - 1) / 2 + ((n - 1) / 2 * _EDGE).clamp_max(0.25)
        offset = torch.where(even & ~two, 0.5, 0.0).double()
        for name, value in (
            ("reach", torch.where(two, 0.5, half)),
            ("shift", (offset / half).atanh()),
            ("offset", offset),
            ("centre", torch.where(two, 0.5, (n / 2).floor())),
            ("scale", torch.where(two, 0.5, (n / 2).floor())),
        ):
            self.register_buffer(name, value.to(torch.get_default_dtype()), persistent=False)

    @property
    def features(self) -> int:
        return self.latent_dim

    def indices(self, h: Tensor) -> Tensor:
        return self._numbers(self._bounded(h))

    def lookup(self, indices: Tensor) -> Tensor:
        """Map numbers (B, d, *grid) to z: (n - floor(L / 2)) / floor(L / 2), of two levels -1 and 1."""
        return (indices - self._of("centre", indices)) / self._of("scale", indices)

    def nearest(self, z: Tensor) -> Tensor:
        most = torch.tensor(self.levels, device=z.device).reshape(1, -1, *[1] * (z.ndim - 2)) - 1
        numbers = (wide(z) * self._of("scale", z) + self._of("centre", z)).round()
        return self.lookup(torch.minimum(numbers.clamp_min(0), most.to(numbers)))

    def forward(self, h: Tensor) -> dict[str, Any]:
        bounded = self._bounded(h)
        smooth = bounded / self._of("scale", h)
        return {"z": self.lookup(self._numbers(bounded.detach())) + (smooth - smooth.detach())}

    def _bounded(self, h: Tensor) -> Tensor:
        """Return b(h), in at least 32 bits."""
        reach, shift, offset = (self._of(name, h) for name in ("reach", "shift", "offset"))
        return torch.tanh(wide(h) + shift) * reach - offset

    def _numbers(self, bounded: Tensor) -> Tensor:
        """Return the numbers of the levels, from 0: whole, of two levels 1 where h is not negative."""
        centre = self._of("centre", bounded)
        return torch.where(centre == 0.5, (bounded >= 0).to(bounded.dtype), bounded.round() + centre).long()

    def _of(self, name: str, like: Tensor) -> Tensor:
        """Return a buffer as (1, d, *1), for each unit of `like`."""
        value: Tensor = getattr(self, name)
        return value.reshape(1, -1, *[1] * (like.ndim - 2))

    def watch(self, h: Tensor) -> dict[str, Tensor]:
        rows = self.indices(h).movedim(1, -1).flatten(0, -2)
        first = rows.new_tensor([sum(self.levels[:j]) for j in range(len(self.levels))])
        counts = h.new_zeros(sum(self.levels)).index_add_(0, (rows + first).flatten(), h.new_ones(rows.numel()))
        return {"used": (counts > 0).sum(), "bits": counts.new_tensor(self.bits(math.prod(h.shape[2:])))}


def _levels(levels: int | Sequence[int], latent_dim: int) -> tuple[int, ...]:
    """Return the levels of each unit."""
    each = [levels] * latent_dim if isinstance(levels, int) else list(levels)
    if len(each) != latent_dim:
        raise AerunError(
            f"model.bottleneck.levels={each}: {len(each)} numbers for model.latent_dim={latent_dim}. One for all units, "
            "or a list with one for each."
        )
    for n in each:
        if integer("model.bottleneck.levels", n, 2) > _MOST:
            raise AerunError(f"model.bottleneck.levels={n}: {_MOST:,} are the most.")
    return tuple(each)
