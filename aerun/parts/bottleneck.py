"""What a code is, and how codes are stored, drawn and moved."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.metrics.lines import circle, straight
from aerun.parts.base import Part, option


class Thresholded(NamedTuple):
    """A code as one of gain h + shift, both (d,): its positive part, the k largest of that, or what exceeds a threshold.

    k and threshold: None where they do not count.
    """

    gain: Tensor
    shift: Tensor
    k: int | None = None
    threshold: Tensor | None = None


class Bottleneck(Part):
    """Maps h to z. It has `features` inputs, which the arch provides; units are axis 1, and the grid of a spatial code follows.

    `forward` is called with the names that it takes: h, and progress, x or x_in where it wants them.

    A code is stored as the numbers of `indices`, u at each place of the grid, and restored by `lookup`. For a code of real
    numbers they are the code itself, which has to be rounded.

    space: the codes that a prior can be a distribution of: `real`, any vector; empty where no prior fits, or where the
    bottleneck brings its own, as `prior` among the names that it offers.
    whole: the numbers are whole ones, so that nothing is lost by storing them. levels: the i-th number is one of
    0 ... levels[i] - 1; empty where there is no bound. can_be_cut: a code without its last pieces, which are its units set to
    0 where `piece` says nothing else, is still a code; cut_by: the setting with which it can be, where it cannot as it is.
    of_vectors: it makes codes without a grid alone. entangled: its posterior is one of whole codes, so that units have no
    divergence of their own. curved: codes are points of a curved space, where straight lines and densities of real vectors
    mean nothing, and `nearest` brings a vector back to it; it says in words what they all are, empty for others. bounded: the
    same of codes that are some of the real vectors, in whose space straight lines do mean something. dependent: how many
    numbers of a code follow from the others. chosen: the setting that makes it other than its option says it is, its value,
    and one with which it is as said.
    """

    latent_dim: int
    space: str = ""
    whole: bool = False
    can_be_cut: bool = True
    cut_by: str = ""
    piece: str = "unit"
    of_vectors: bool = False
    entangled: bool = False
    curved: str = ""
    bounded: str = ""
    dependent: int = 0
    chosen: tuple[str, str, str] | None = None
    levels: tuple[int, ...] = ()

    @property
    @abstractmethod
    def features(self) -> int:
        """Return F, the number of encoder outputs that this bottleneck reads."""

    @abstractmethod
    def forward(self, h: Tensor) -> dict[str, Any]:
        """Map h (B, F, *grid) to {"z": (B, d, *grid), ...} for the objective; z is sampled where the code is random."""

    @abstractmethod
    def code(self, h: Tensor) -> Tensor:
        """Map h (B, F, *grid) to the deterministic code (B, d, *grid) of all use after training."""

    def thresholded(self) -> Thresholded | None:
        """Return the code of use as other programs for sparse codes have it; None, by default, where it is none of these."""
        return None

    @property
    def setting(self) -> str:
        """Return by what it was chosen, as it is typed."""
        return "=".join(self.chosen[:2]) if self.chosen else f"model/bottleneck={option(self)}"

    @property
    def pieces(self) -> int:
        """Return of how many pieces a code is made that can be left out from its end."""
        return self.latent_dim

    def bits_of(self, size: int, places: int) -> float:
        """Return the bits of the first `size` pieces of a code whose grid has so many places, where its levels are finite."""
        return places * sum(math.log2(n) for n in self.levels) * size / self.pieces

    def first(self, h: Tensor, size: int) -> Tensor:
        """Map h to the code (B, d, *grid) of its first `size` pieces alone."""
        z = self.code(h)
        return torch.cat([z[:, :size], torch.zeros_like(z[:, size:])], 1)

    def prepare(self, count: int, features: Callable[[int], Tensor]) -> None:
        """Learn from what the encoder makes of random training samples: h (n, F, *grid) of the first n of `count`.

        Called before the first step, after the weights were initialized; by default it does nothing.
        """

    def finish(self, features: Callable[[], Iterator[Tensor]]) -> dict[str, float]:
        """Learn from what the trained encoder makes of all training samples, in batches (B, F, *grid) as often as wanted.

        Returns figures of what it has set in its buffers, for results.json; empty, by default, where it changes nothing.
        """
        return {}

    def indices(self, h: Tensor) -> Tensor:
        """Return the numbers (B, u, *grid) that stand for the code of h (B, F, *grid)."""
        return self.code(h)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the code (B, d, *grid) that numbers (B, u, *grid) stand for."""
        return indices

    def nearest(self, z: Tensor) -> Tensor:
        """Return the code that is nearest to any real z; both are (B, d, *grid)."""
        return z

    def read(self, z: Tensor) -> Tensor:
        """Return what the decoder reads of codes; both are (B, d, *grid)."""
        return z

    def between(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        """Return codes on the way from a to b (d, *grid) that stays where codes lie: at each of t in [0, 1], (n, d, *grid).

        Along great circles where codes are random, along straight lines elsewhere; see `way`.
        """
        return (circle if self.way == "spherical" else straight)(a, b, t)

    @property
    def way(self) -> str:
        """Return the kind of these ways: linear, spherical or geodesic."""
        return "spherical" if "posterior" in self.offers else "linear"

    def probability(self, numbers: Tensor) -> Tensor | None:
        """Return the learned probability of each whole number (B, d, *grid), or None where no model gives one."""
        return None


class Discrete(Bottleneck):
    """One of finitely many codes: at each place n numbers, the i-th one of `levels[i]`.

    A subclass defines `latent_dim`, `features`, `levels` (n of them), `indices`, `lookup` and `forward`; the rest
    follows: it is compressed without loss, drawn, sampled around training codes and exported like any other.
    """

    whole = True
    can_be_cut = False

    @abstractmethod
    def indices(self, h: Tensor) -> Tensor:
        """Return the numbers of the codes of h: (B, F, *grid) -> (B, n, *grid), whole."""

    @abstractmethod
    def lookup(self, indices: Tensor) -> Tensor:
        """Return the codes that have these numbers: (B, n, *grid) -> (B, d, *grid)."""

    def code(self, h: Tensor) -> Tensor:
        return self.lookup(self.indices(h))

    def bits(self, places: int) -> float:
        """Return the size in bits of one code where every number costs log2 of its levels.

        places: how many places the grid has, 1 without a grid.
        """
        return self.bits_of(self.pieces, places)

    def nearest(self, z: Tensor) -> Tensor:
        """Return the code of z itself.

        Raises AerunError where a code is not its own code: such a class has to define `nearest` itself.
        """
        code = self.code(z) if self.features == z.shape[1] else None
        if code is None or not torch.equal(self.code(code), code):
            raise AerunError(
                f"model/bottleneck={option(self)} does not say which of its codes is nearest to a vector (`nearest`). "
                "Draw from the prior instead."
            )
        return code

    def draw_uniformly(self, like: Tensor, times: int = 1) -> Tensor:
        """Return codes (times * m, d, *grid) that are all equally likely, m those of `like`.

        Each number is the remainder of a uniform draw below a common multiple of all levels.
        """
        grid = like.shape[2:]
        drawn = torch.randint(math.lcm(*self.levels), (times * len(like), len(self.levels), *grid), device=like.device)
        return self.lookup(drawn % torch.tensor(self.levels, device=like.device).reshape(-1, *[1] * len(grid))).to(like)
