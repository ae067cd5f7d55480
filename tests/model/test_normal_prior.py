"""The reference that passes seldom ask is torch's standard normal distribution."""

import torch
from torch.distributions import Normal, kl_divergence

from aerun.model.prior.normal import StandardNormal


def test_it_answers_as_torchs_does():
    z = torch.randn(4, 3, dtype=torch.float64)
    one, other = StandardNormal(z), Normal(torch.zeros_like(z), torch.ones_like(z))
    assert one.batch_shape == other.batch_shape
    assert torch.equal(one.log_prob(z), other.log_prob(z))
    assert torch.equal(kl_divergence(Normal(z, 2 + z.abs()), one), kl_divergence(Normal(z, 2 + z.abs()), other))
    assert one.expand((2, 4, 3)).log_prob(z).shape == (2, 4, 3)
    torch.manual_seed(0)
    drawn = one.rsample()
    torch.manual_seed(0)
    assert torch.equal(drawn, other.rsample())
