"""A random code: the posterior of the variational autoencoder."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.model.bottleneck.autoregressive import CONTEXT, Autoregressive, Gates
from aerun.model.bottleneck.bent import BentNormal
from aerun.model.bottleneck.full import FullNormal
from aerun.model.bottleneck.gamma import LEAST, gamma_of, gamma_prior
from aerun.model.bottleneck.moments import moments_of
from aerun.model.bottleneck.planar import Planar
from aerun.parts import Bottleneck
from aerun.vocabulary import wide

_STEPS = {"planar": 8, "iaf": 2}  # where nothing is said


class Gaussian(Bottleneck):
    """q(z|x) = N(mu, diag exp(lv)), (mu, lv) = the first two d of h (B, F); prior N(0, I) or another of model/prior.

    Objective pass: z = mu + exp(lv / 2) * eps, eps ~ N(0, I), so gradients reach mu and lv. Use pass: z = mu. With another
    `posterior` than `diagonal` the units of a code depend on one another, each sample's in its own way:
    full    N(mu, L L^T), L lower triangular with diagonal exp(lv / 2) and the rest from h, F = 2d + d (d - 1) / 2
    planar  f(mu + exp(lv / 2) eps), f of 8 `steps` that bend space along a direction, from h, F = 2d + 8 (2d + 1)
    iaf     the same, f of 2 `steps` of networks that read 32 numbers of h and the units before, F = 2d + 32
    The code of use is f(mu). Such posteriors may lie closer to the true one; they do not train faster. KL(q || p) of full is
    exact for a prior of independent units; else it is that of the pass's draw. A bend that all samples share is none of these
    but a learned prior: model/prior=flow.

    gamma   units by themselves that are positive, with a prior of their own, Gamma(2, 1), F = 2d; see `gamma`. The code of use
            is the mean. KL(q || p) is exact.

    Raises AerunError for `steps` of a posterior that has none. Kingma & Welling 2013, https://arxiv.org/abs/1312.6114. We clamp
    lv to [-10, 10].
    """

    offers = frozenset({"encode", "posterior", "factors"})
    space = "real"

    def __init__(self, *, latent_dim: int, posterior: str, steps: int | None) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.posterior = one_of("model.bottleneck.posterior", posterior, ("diagonal", "full", "planar", "iaf", "gamma"))
        if steps is not None and posterior not in _STEPS:
            raise AerunError(
                f"model.bottleneck.steps={steps}: model.bottleneck.posterior={posterior} has no steps. They are those of "
                "posterior=planar and posterior=iaf."
            )
        self.steps = integer("model.bottleneck.steps", _STEPS.get(posterior, 1) if steps is None else steps, 1)
        if posterior != "diagonal":
            self.chosen = other = ("model.bottleneck.posterior", posterior, "diagonal")
        if posterior == "gamma":
            self.space, self.bounded = "positive", "are positive"
            self.offers = self.offers | {"prior"}
        elif posterior != "diagonal":
            self.entangled = self.of_vectors = True
            self.offers = self.offers - {"factors"}
            self.lacking = {"factors": other}
        if posterior == "iaf":
            self.gates = nn.ModuleList(Gates(latent_dim, backwards=i % 2 == 1) for i in range(self.steps))
        if posterior == "full":
            rows, columns = torch.tril_indices(latent_dim, latent_dim, -1)
            place = torch.zeros(latent_dim, latent_dim, dtype=torch.long)
            place[rows, columns] = torch.arange(len(rows))
            self.register_buffer("place", place, persistent=False)

    @property
    def features(self) -> int:
        d = self.latent_dim
        more = {"full": d * (d - 1) // 2, "planar": self.steps * (2 * d + 1), "iaf": CONTEXT}
        return 2 * d + more.get(self.posterior, 0)

    def forward(self, h: Tensor) -> dict[str, Any]:
        if self.posterior == "diagonal":
            mu, scale = self._units(h)
            posterior = Normal(mu, scale, validate_args=False)
            return {"z": mu + scale * torch.randn_like(scale), "posterior": posterior, "factors": posterior}
        if self.posterior == "gamma":
            gamma = gamma_of(h)
            return {"z": gamma.rsample(), "posterior": gamma, "factors": gamma, "prior": gamma_prior(gamma.rate)}
        q = self._entangled(h)
        return {"z": q.rsample(), "posterior": q}

    def code(self, h: Tensor) -> Tensor:
        if self.posterior in ("diagonal", "full"):
            return h[:, : self.latent_dim]
        if self.posterior == "gamma":
            return gamma_of(h).mean.to(h.dtype)
        return self._entangled(h).mean.to(h.dtype)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the code of numbers that were rounded: it is positive where codes are."""
        return self.nearest(indices)

    def nearest(self, z: Tensor) -> Tensor:
        """Return z, and the least positive code where codes are positive and z is not."""
        return z.clamp_min(LEAST) if self.posterior == "gamma" else z

    @property
    def way(self) -> str:
        return "linear" if self.posterior == "gamma" else super().way

    def _units(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and s (B, d, *grid)."""
        mu, log_var = moments_of(h)
        return mu, (log_var / 2).exp()

    def _entangled(self, h: Tensor) -> Distribution:
        """Return q(z|x) of whole codes."""
        own, more = wide(h).split([2 * self.latent_dim, h.shape[1] - 2 * self.latent_dim], 1)
        mu, scale = self._units(own)
        if self.posterior == "full":
            if self.latent_dim == 1:
                return FullNormal(mu, scale[:, :, None])
            lower = more[:, self.place].tril(-1)
            return FullNormal(mu, lower + torch.diag_embed(scale))
        if self.posterior == "planar":
            return BentNormal(mu, scale, Planar(more, self.latent_dim, self.steps))
        return BentNormal(mu, scale, Autoregressive(self.gates, more.to(h.dtype)))
