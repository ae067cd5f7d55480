"""The prior of the variational autoencoder."""

from torch import Tensor
from torch.distributions import Distribution

from aerun.model.prior.normal import StandardNormal
from aerun.parts import Prior
from aerun.vocabulary import wide


class Standard(Prior):
    """p(z) = N(0, I): units are independent, of mean 0 and variance 1."""

    usual = True

    def forward(self, z: Tensor) -> Distribution:
        return StandardNormal(wide(z))
