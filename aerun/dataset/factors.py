"""Independent Gaussian factors behind a rotation."""

from collections.abc import Sequence

import torch

from aerun.core.checks import at_least, integer, within
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.generated import Drawn, Generated, generator, orthonormal, samples

_TIMES = 10  # the deviation of a spike over that of all values


class Factors(Generated):
    """x = Q f + noise eps: f_j ~ N(0, variances_j) independent, Q (size, f) with orthonormal columns, eps ~ N(0, I).

    Variances that differ make the directions of the factors those of the principal components, so that they can be told
    apart; a rotation-blind model need not find them (Rolinek, Zietlow & Martius 2019, https://arxiv.org/abs/1812.06775).
    spikes: that share of all values, wherever they are, is replaced by draws of N(0, (10 s)^2), s the deviation of all values:
    what a measuring device that fails now and then leaves.
    Raises AerunError for variances that are not positive or equal each other, and for a `size` below their number.
    """

    def __init__(self, *, variances: Sequence[float], size: int, noise: float, spikes: float, n: int, seed: int) -> None:
        self.variances = [at_least("dataset.variances", v, 1e-12) for v in variances]
        if not self.variances or len(set(self.variances)) < len(self.variances):
            raise AerunError(f"dataset.variances={list(variances)}: must differ: equal ones cannot be told apart.")
        self.size = integer("dataset.size", size, len(self.variances))
        self.noise, self.n, self.seed = at_least("dataset.noise", noise, 0), samples(n), seed
        self.spikes = within("dataset.spikes", spikes, 0, 0.5)
        generator(seed)

    def facts(self) -> Facts:
        return Facts(shape=(self.size,), kind="table", unit=1.0, low=None, high=None, classes=None)

    def draw(self) -> Drawn:
        g = generator(self.seed)
        mixing = orthonormal(self.size, len(self.variances), g)
        factors = torch.randn(self.n, len(self.variances), generator=g) * torch.tensor(self.variances).sqrt()
        noise = self.noise * torch.randn(self.n, self.size, generator=g)
        x = factors @ mixing.t() + noise
        if not self.spikes:
            return Drawn(x, None, factors)
        wild = _TIMES * x.std() * torch.randn(x.shape, generator=g)
        return Drawn(torch.where(torch.rand(x.shape, generator=g) < self.spikes, wild, x), None, factors, x)
