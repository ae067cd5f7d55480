"""Negative binomial likelihood of counts that vary more than a Poisson's."""

import torch
from torch import Tensor, nn
from torch.distributions import Gamma

from aerun.model.loss.counts import Column, CountLoss, negative_binomial, saturated

_MOST = 20.0  # of log theta, from where on it is a Poisson's


class Nb(CountLoss):
    """NLL_i = -sum_d log NB(x_id; mu_id, theta_d), nats: the variance is mu + mu^2 / theta; see `CountLoss` for mu.

    theta_d = exp of a weight of each column, 1 at the start. Lopez et al. 2018 (scVI),
    https://doi.org/10.1038/s41592-018-0229-2. `theta`: its geometric mean over the columns.
    """

    watches = ("deviance", "theta")

    def __init__(self, *, size: str, reduction: str, shape: tuple[int, ...], columns: tuple[Column, ...]) -> None:
        super().__init__(size=size, reduction=reduction, shape=shape, columns=columns)
        self.log_theta = nn.Parameter(torch.zeros(shape))

    @property
    def dispersion(self) -> Tensor:
        """Return log theta (D,) in 64 bits."""
        return self.log_theta.double().clamp(-_MOST, _MOST)

    def nats(self, raw: Tensor, log_mu: Tensor, target: Tensor) -> Tensor:
        return negative_binomial(log_mu, self.dispersion, target)

    def best(self, target: Tensor) -> Tensor:
        return negative_binomial(saturated(target), self.dispersion, target)

    def draw(self, raw: Tensor, mu: Tensor) -> Tensor:
        theta = self.dispersion.exp()
        return torch.poisson(Gamma(theta, theta / mu.clamp_min(1e-12)).sample())

    def watch(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {**super().watch(raw, target), "theta": self.log_theta.mean().exp()}
