"""A curved sheet of known dimension in a space of more."""

import torch

from aerun.core.checks import at_least, integer
from aerun.core.facts import Facts
from aerun.dataset.generated import Drawn, Generated, generator, samples


class Manifold(Generated):
    """x_d = a_d . u + sin(w_d . u + b_d) + noise eps: u ~ U[-1, 1]^dimension, w_d ~ N(0, bend^2 I), a_d ~ N(0, I).

    A smooth image of a cube, of `dimension` intrinsic and `size` extrinsic dimensions: a code of `dimension` numbers holds
    it, and PCA of that size does not. Raises AerunError for a `dimension` above `size`.
    """

    def __init__(self, *, dimension: int, size: int, bend: float, noise: float, n: int, seed: int) -> None:
        self.dimension = integer("dataset.dimension", dimension, 1)
        self.size, self.bend = integer("dataset.size", size, self.dimension), at_least("dataset.bend", bend, 0)
        self.noise, self.n, self.seed = at_least("dataset.noise", noise, 0), samples(n), seed
        generator(seed)

    def facts(self) -> Facts:
        return Facts(shape=(self.size,), kind="table", unit=1.0, low=None, high=None, classes=None)

    def draw(self) -> Drawn:
        g = generator(self.seed)
        straight = torch.randn(self.dimension, self.size, generator=g)
        waves = self.bend * torch.randn(self.dimension, self.size, generator=g)
        phase = 2 * torch.pi * torch.rand(self.size, generator=g)
        u = 2 * torch.rand(self.n, self.dimension, generator=g) - 1
        noise = self.noise * torch.randn(self.n, self.size, generator=g)
        return Drawn(u @ straight + torch.sin(u @ waves + phase) + noise, None, u)
