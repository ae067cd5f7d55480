"""A random code: the posterior of the variational autoencoder."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from aerun.parts import Bottleneck
from aerun.vocabulary import wide

_LOG_VAR = 10.0  # |log variance| is kept below this: exp(10) in fp32 is harmless, exp(90) is not


class Gaussian(Bottleneck):
    """q(z|x) = N(mu, diag exp(lv)), (mu, lv) = the two halves of h (B, 2d); prior N(0, I) or another of model/prior.

    Objective pass: z = mu + exp(lv / 2) * eps, eps ~ N(0, I), so gradients reach mu and lv. Use pass: z = mu.
    Kingma & Welling 2013, https://arxiv.org/abs/1312.6114. We clamp lv to [-10, 10].
    """

    offers = frozenset({"encode", "posterior", "factors"})
    space = "real"

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def features(self) -> int:
        return 2 * self.latent_dim

    def forward(self, h: Tensor) -> dict[str, Any]:
        mu, log_var = wide(h).chunk(2, dim=1)
        scale = (log_var.clamp(-_LOG_VAR, _LOG_VAR) / 2).exp()
        posterior = Normal(mu, scale, validate_args=False)
        return {"z": mu + scale * torch.randn_like(scale), "posterior": posterior, "factors": posterior}

    def code(self, h: Tensor) -> Tensor:
        return h[:, : self.latent_dim]
