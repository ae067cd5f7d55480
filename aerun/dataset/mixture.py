"""A mixture of round Gaussians in the plane."""

import math

import torch
from torch import Tensor

from aerun.core.checks import at_least, one_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.base import Clusters
from aerun.dataset.generated import Drawn, Generated, generator, samples

_CENTRES = {"three": 3, "ring8": 8, "grid25": 25}


class Mixture(Generated):
    """n points x = c_k + sigma eps of the plane, eps ~ N(0, I), the centre c_k drawn evenly; labels: k.

    three: corners of a triangle, 2 from the origin. ring8: a circle of radius 2. grid25: 5 x 5, -4 to 4 in steps of 2.
    The ring and the grid: Srivastava et al. 2017, https://arxiv.org/abs/1705.07761. Raises AerunError for an unknown layout,
    fewer than 20 points and a `sigma` that is not positive.
    """

    def __init__(self, *, layout: str, n: int, sigma: float, seed: int) -> None:
        self.layout, self.n = one_of("dataset.layout", layout, tuple(_CENTRES)), samples(n)
        self.sigma, self.seed = at_least("dataset.sigma", sigma, 0), seed
        if self.sigma == 0:
            raise AerunError("dataset.sigma=0: the clusters would be points; must be positive, such as 0.3.")
        generator(seed)

    def facts(self) -> Facts:
        return Facts(shape=(2,), kind="table", unit=1.0, low=None, high=None, classes=_CENTRES[self.layout])

    def centres(self) -> Tensor:
        """Return the means of the components, (K, 2)."""
        if self.layout == "grid25":
            side = torch.linspace(-4, 4, 5)
            return torch.cartesian_prod(side, side)
        angle = torch.arange(_CENTRES[self.layout]) * (2 * math.pi / _CENTRES[self.layout]) + math.pi / 2
        return 2 * torch.stack([angle.cos(), angle.sin()], 1)

    def clusters(self) -> Clusters:
        return Clusters(self.centres(), self.sigma)

    def draw(self) -> Drawn:
        g = generator(self.seed)
        labels = torch.randint(_CENTRES[self.layout], (self.n,), generator=g)
        return Drawn(self.centres()[labels] + self.sigma * torch.randn(self.n, 2, generator=g), labels)

    def score(self, x: Tensor, noise: float) -> Tensor:
        """Return the score, grad log p_s(x), of the density smoothed by Gaussian noise; (B, 2).

        `noise` is the deviation of the noise, so that s^2 = sigma^2 + noise^2.
        """
        variance = self.sigma**2 + noise**2
        towards = self.centres().to(x)[None] - x[:, None]  # (B, K, 2)
        share = (-towards.square().sum(2) / (2 * variance)).softmax(1)
        return (share[..., None] * towards).sum(1) / variance
