"""Negative binomial likelihood of counts with more zeros than such counts have."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from aerun.model.loss.nb import Nb

_START = -3.0  # logit of the share of zeros that are none of the counts'


class Zinb(Nb):
    """NLL_i = -sum_d log(pi_id 1[x_id = 0] + (1 - pi_id) NB(x_id; mu_id, theta_d)), nats.

    pi = sigmoid of a second output of the decoder, .05 at the start. With softplus(s) = log(1 + e^s), pi now its logit:
    log p(0) = softplus(-pi - NLL_NB(0)) - softplus(-pi); log p(x) = -NLL_NB(x) - pi - softplus(-pi) above 0. x_hat is of mu,
    what would be counted if nothing were lost. See `Nb`, `CountLoss`.
    """

    heads = 2

    def nats(self, raw: Tensor, log_mu: Tensor, target: Tensor) -> Tensor:
        pi, counted = raw[:, 1], super().nats(raw, log_mu, target)
        return softplus(-pi) - torch.where(target == 0, softplus(-pi - counted), -pi - counted)

    def best(self, target: Tensor) -> Tensor:
        return torch.where(target == 0, torch.zeros_like(target), super().best(target))

    def draw(self, raw: Tensor, mu: Tensor) -> Tensor:
        return super().draw(raw, mu) * (1 - torch.bernoulli(raw[:, 1].sigmoid()))

    def deactivate(self, x: Tensor) -> Tensor:
        rates = super().deactivate(x)
        return torch.stack([rates, torch.full_like(rates, _START)], -2)
