"""A random code in hyperbolic space: points of the Poincare ball."""

from typing import Any

from torch import Tensor

from aerun.model.bottleneck.hyperbolic import EDGE, add, exact, from_middle, inside, to_middle
from aerun.model.bottleneck.moments import moments_of
from aerun.model.bottleneck.wrapped import StandardWrapped, WrappedNormal
from aerun.parts import Bottleneck
from aerun.vocabulary import wide

_MEAN = 8.0  # distance from the middle that a mean has at most


class Ball(Bottleneck):
    """q(z|x) is the normal distribution wrapped about mu, z = exp_mu(s eps), eps ~ N(0, I); codes (B, d) of length below 1.

    mu = exp_0(h_1..d), log s^2 = h_(d+1)..2d, clamped to [-10, 10]; curvature -1. Prior: the same about the middle with s = 1.
    Objective pass: a draw; use pass: z = mu. The decoder reads log_0(z), whose length is the distance of z from the middle, so
    that points near the edge are told apart. KL(q || p), of whole codes, is that of the pass's draw. Means are at most at
    distance 8 from the middle, and the decoder reads distances up to 12. From one code to another leads a geodesic. Samplers:
    prior and aggregate.

    Mathieu et al. 2019, https://arxiv.org/abs/1901.06033; wrapped normal: Nagano et al. 2019, https://arxiv.org/abs/1902.02992
    """

    offers = frozenset({"encode", "posterior", "prior"})
    space = "ball"
    entangled = of_vectors = True
    curved = "are points of a ball, of length below 1"
    can_be_cut = False
    way = "geodesic"

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def features(self) -> int:
        return 2 * self.latent_dim

    def forward(self, h: Tensor) -> dict[str, Any]:
        like = wide(h)
        mean, log_variance = moments_of(like)
        posterior = WrappedNormal(_point(mean), exact(log_variance) / 2, like.dtype)
        return {"z": posterior.rsample(), "posterior": posterior, "prior": StandardWrapped(mean.detach())}

    def code(self, h: Tensor) -> Tensor:
        return _point(h[:, : self.latent_dim]).to(h.dtype)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the code of numbers that were rounded: inside the ball."""
        return self.nearest(indices)

    def nearest(self, z: Tensor) -> Tensor:
        """Return z, or the last point on its ray where that is outside of the ball or next to its edge."""
        return inside(z)

    def read(self, z: Tensor) -> Tensor:
        return to_middle(exact(z), EDGE).to(z.dtype)

    def between(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        """Return points on the geodesic from a to b (d,), at equal speed: (n, d)."""
        first = exact(a)[None]
        there = to_middle(add(-first, exact(b)[None]))
        return inside(add(first, from_middle(exact(t)[:, None] * there)).to(a.dtype))


def _point(mean: Tensor) -> Tensor:
    """Return exp_0 of vectors (B, d), which are shortened to length 8."""
    return from_middle(exact(mean), _MEAN)
