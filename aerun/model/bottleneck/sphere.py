"""A random code of directions: points of a sphere."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from aerun.core.errors import AerunError
from aerun.model.bottleneck.spherical import PowerSpherical, UniformSphere
from aerun.parts import Bottleneck
from aerun.vocabulary import wide

_ROUNDING = 16  # last digits that the length of a unit vector may be off by


class Sphere(Bottleneck):
    """q(z|x) prop. (1 + mu^T z)^k on the unit vectors z (B, d); mu = h_1..d / ||h_1..d||, k = softplus(h_(d+1)) + 1.

    Prior: uniform. Objective pass: a draw; use pass: z = mu. KL(q || p) is exact, of whole codes, and at least that of
    k = 1, so that a code always says something. Points of the sphere have d - 1 free numbers, which is what PCA beside it has.
    On the way from one code to another codes are brought back to the sphere. Samplers: prior and aggregate.

    Raises AerunError for codes of one number. Davidson et al. 2018, https://arxiv.org/abs/1804.00891, with von Mises-Fisher
    posteriors; ours are power spherical (De Cao & Aziz 2020, https://arxiv.org/abs/2006.04437), which need no Bessel functions.
    """

    offers = frozenset({"encode", "posterior", "prior"})
    space = "sphere"
    entangled = of_vectors = True
    curved = "have length 1"
    dependent = 1
    can_be_cut = False

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 2:
            raise AerunError(
                "model/bottleneck=sphere: needs model.latent_dim=2 or more: of one number there are two directions."
            )
        self.latent_dim = latent_dim

    @property
    def features(self) -> int:
        return self.latent_dim + 1

    def forward(self, h: Tensor) -> dict[str, Any]:
        mu, k = self.code(wide(h)), softplus(wide(h)[:, self.latent_dim]) + 1
        posterior = PowerSpherical(mu, k)
        return {"z": posterior.rsample(), "posterior": posterior, "prior": UniformSphere(mu.detach())}

    def code(self, h: Tensor) -> Tensor:
        return normalize(h[:, : self.latent_dim], dim=1)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the code of numbers that were rounded: of length 1 again."""
        return self.nearest(indices)

    def nearest(self, z: Tensor) -> Tensor:
        """Return the direction of z; what has length 1 to rounding stays as it is."""
        length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
        return torch.where((length - 1).abs() <= _ROUNDING * torch.finfo(z.dtype).eps, z, normalize(z, dim=1))
