"""Sparse sums of planted atoms."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from aerun.core.checks import at_least, integer
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.generated import Drawn, Generated, generator, samples


class Dictionary(Generated):
    """x = A s + noise eps: `atoms` random unit columns A (size, atoms); s has `active` entries from U[0.5, 1.5], else 0.

    A sparse model should find A again (Sharkey, Braun & Millidge 2022,
    https://www.alignmentforum.org/posts/z6QQJbtpkEAX3Aojj). Raises AerunError where more are active than there are.
    """

    def __init__(self, *, atoms: int, size: int, active: int, noise: float, n: int, seed: int) -> None:
        self.count = integer("dataset.atoms", atoms, 1)
        self.size, self.active = integer("dataset.size", size, 1), integer("dataset.active", active, 1)
        self.noise, self.n, self.seed = at_least("dataset.noise", noise, 0), samples(n), seed
        if self.active > self.count:
            raise AerunError(f"dataset.active={active}: only {atoms} atoms are there (dataset.atoms).")
        generator(seed)

    def facts(self) -> Facts:
        return Facts(shape=(self.size,), kind="table", unit=1.0, low=None, high=None, classes=None)

    def atoms(self) -> Tensor:
        """Return the planted dictionary, one unit column an atom: (size, atoms)."""
        return self._atoms(generator(self.seed))

    def _atoms(self, g: torch.Generator) -> Tensor:
        return normalize(torch.randn(self.size, self.count, generator=g), dim=0)

    def draw(self) -> Drawn:
        g = generator(self.seed)
        atoms = self._atoms(g)
        chosen = torch.rand(self.n, self.count, generator=g).topk(self.active, 1).indices
        strength = 0.5 + torch.rand(self.n, self.active, generator=g)
        codes = torch.zeros(self.n, self.count).scatter(1, chosen, strength)
        x = codes @ atoms.t() + self.noise * torch.randn(self.n, self.size, generator=g)
        return Drawn(x, None, codes)
