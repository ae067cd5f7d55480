"""Poisson likelihood of counts."""

import torch
from torch import Tensor

from aerun.model.loss.counts import CountLoss, poisson, saturated


class Poisson(CountLoss):
    """NLL_i = sum_d mu_id - x_id log mu_id + log x_id!, nats; see `CountLoss` for mu: the variance of a count is its mean."""

    def nats(self, raw: Tensor, log_mu: Tensor, target: Tensor) -> Tensor:
        return poisson(log_mu, target)

    def best(self, target: Tensor) -> Tensor:
        return poisson(saturated(target), target)

    def draw(self, raw: Tensor, mu: Tensor) -> Tensor:
        return torch.poisson(mu)
