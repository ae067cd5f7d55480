"""A learned prior of codes that depends on what is known of a sample beforehand."""

from torch import Tensor
from torch.distributions import Distribution, Normal

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.model.arch.layers import silent
from aerun.parts import Prior
from aerun.vocabulary import wide


class Conditional(Prior):
    """p(z|c) = N(A c + a, diag exp(B c + b)), d = latent_dim units; all are 0 at the start, which is N(0, I).

    c (B, m): what the model is told of each sample (`dataset.condition`). Units of spatial codes have the same law at every
    place. Sohn et al. 2015, https://papers.nips.cc/paper/5775. Raises AerunError where nothing is told.
    """

    learned = True

    def __init__(self, *, latent_dim: int, given: int) -> None:
        super().__init__()
        if not given:
            raise AerunError(
                "model/prior=conditional needs to be told something of each sample: dataset.condition=label, or columns."
            )
        self.law = silent(given, 2 * integer("model.latent_dim", latent_dim, 1))

    def forward(self, z: Tensor, c: Tensor) -> Distribution:
        law = wide(self.law(c.to(self.law.weight)))
        if z.ndim > 2:
            law = law.reshape(*law.shape, *[1] * (z.ndim - 2)).expand(-1, -1, *z.shape[2:])
        mean, log_variance = law.chunk(2, 1)
        return Normal(mean, (log_variance / 2).exp(), validate_args=False)
