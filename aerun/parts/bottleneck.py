"""What a code is, and how codes are stored, drawn and moved."""

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.parts.base import Part, option


class Bottleneck(Part):
    """h -> z. It has `features` inputs, which the arch provides; units are axis 1, a spatial code has its grid behind.

    A code is stored as the numbers of `indices`, u at each place of the grid, and found again by `lookup`. For a code of real
    numbers they are the code itself, which has to be rounded.

    whole: the numbers are whole ones, so that nothing is lost by storing them. levels: the i-th number is one of
    0 ... levels[i] - 1; empty where there is no bound.
    """

    latent_dim: int
    whole: bool = False
    levels: tuple[int, ...] = ()

    @property
    @abstractmethod
    def features(self) -> int:
        """Return number F of encoder outputs that this bottleneck reads."""

    @abstractmethod
    def forward(self, h: Tensor) -> dict[str, Any]:
        """Map the objective pass: (B, F, *grid) -> {"z": (B, d, *grid), ...}, sampled where the code is random."""

    @abstractmethod
    def code(self, h: Tensor) -> Tensor:
        """Map the use pass: (B, F, *grid) -> deterministic code (B, d, *grid)."""

    def indices(self, h: Tensor) -> Tensor:
        """Return the numbers that stand for the code of h: (B, F, *grid) -> (B, u, *grid)."""
        return self.code(h)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the code that numbers stand for: (B, u, *grid) -> (B, d, *grid)."""
        return indices

    def nearest(self, z: Tensor) -> Tensor:
        """Return the code that comes nearest to any real z; both (B, d, *grid)."""
        return z

    def probability(self, numbers: Tensor) -> Tensor | None:
        """Return the learned probability of each whole number (B, d, *grid), or None where there is no such model."""
        return None

    @property
    def has_prior(self) -> bool:
        """Can codes be drawn without looking at those of samples?"""
        return "prior" in self.offers

    def prior_codes(self, like: Tensor, times: int = 1) -> Tensor:
        """Draw `times` as many codes as `like` (m, d, *grid) holds from the prior: (times * m, d, *grid) of its type.

        Raise AerunError for a code without a prior.
        """
        if not self.has_prior:
            raise AerunError(f"model/bottleneck={option(self)}: its codes have no prior to draw from.")
        prior = self(like.new_zeros(len(like), self.features, *like.shape[2:]))["prior"]
        return torch.cat([prior.sample() for _ in range(times)]).to(like)


class Discrete(Bottleneck):
    """A code out of finitely many: at each place n numbers, the i-th one of `levels[i]`.

    A class of this kind says `latent_dim`, `features`, `levels` (n of them), `indices`, `lookup` and `forward`; the rest
    follows: it is compressed without loss, drawn, sampled around training codes and exported like any other.
    """

    whole = True

    @abstractmethod
    def indices(self, h: Tensor) -> Tensor:
        """Return the numbers of the codes of h: (B, F, *grid) -> (B, n, *grid), whole."""

    @abstractmethod
    def lookup(self, indices: Tensor) -> Tensor:
        """Return the codes that have these numbers: (B, n, *grid) -> (B, d, *grid)."""

    def code(self, h: Tensor) -> Tensor:
        return self.lookup(self.indices(h))

    def bits(self, places: int) -> float:
        """Return the size of one code where every number costs log2 of its levels; places: of the grid, 1 without."""
        return places * sum(math.log2(n) for n in self.levels)

    def nearest(self, z: Tensor) -> Tensor:
        """Return the code of z itself. Raise AerunError where a code is not its own code: such a class has to say better."""
        found = self.code(z) if self.features == z.shape[1] else None
        if found is None or not torch.equal(self.code(found), found):
            raise AerunError(
                f"model/bottleneck={option(self)} does not say which of its codes is nearest to a vector (`nearest`). "
                "Draw from the prior instead."
            )
        return found

    @property
    def has_prior(self) -> bool:
        return True

    def prior_codes(self, like: Tensor, times: int = 1) -> Tensor:
        """Draw codes, every one as likely: each number is the remainder of an even draw below a multiple of all levels."""
        grid = like.shape[2:]
        drawn = torch.randint(math.lcm(*self.levels), (times * len(like), len(self.levels), *grid), device=like.device)
        return self.lookup(drawn % torch.tensor(self.levels, device=like.device).reshape(-1, *[1] * len(grid))).to(like)
