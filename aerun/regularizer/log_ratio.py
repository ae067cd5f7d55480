"""The density of a code under the prior, relative to that under its posterior."""

from torch import Tensor
from torch.distributions import Distribution

from aerun.vocabulary import wide


def code_log_ratio(z: Tensor, posterior: Distribution, prior: Distribution) -> Tensor:
    """Return log p(z) - log q(z|x), summed over the code: (B, d, *grid) -> (B,), or (K, B, d, *grid) -> (K, B)."""
    first = z.ndim - len(posterior.batch_shape) + 1
    ratio: Tensor = wide(prior.log_prob(z)) - wide(posterior.log_prob(z))
    return ratio.flatten(first).sum(first)
