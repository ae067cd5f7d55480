"""How far a posterior is from a prior: by a formula where there is one, else at draws of the code."""

from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from aerun.vocabulary import wide

_FORMULAS: dict[tuple[type, type], bool] = {}  # whether torch has one, by the types of posterior and prior


def code_log_ratio(z: Tensor, posterior: Distribution, prior: Distribution) -> Tensor:
    """Return log p(z) - log q(z|x), summed over the code: (B, d, *grid) -> (B,), or (K, B, d, *grid) -> (K, B)."""
    first = z.ndim - len(posterior.batch_shape) - len(posterior.event_shape) + 1
    p, q = wide(prior.log_prob(z)), wide(posterior.log_prob(z))
    return _whole(p - q, first) if p.shape == q.shape else _whole(p, first) - _whole(q, first)


def log_density(distribution: Distribution, z: Tensor) -> Tensor:
    """Return log p(z) of whole codes z (B, d, *grid), (B,)."""
    return _whole(wide(distribution.log_prob(z)), 1)


def divergence(posterior: Distribution, prior: Distribution, z: Tensor | None = None) -> Tensor:
    """Return KL(q(z|x) || p(z)) of each unit (B, d, *grid), or of whole codes (B,) where units have none of their own.

    Without a formula it is log q(z|x) - log p(z) at the posterior's own draw z, or the mean of that over K draws (K, B, ...):
    unbiased, of variance 0 where q = p.
    """
    if z is None or _has_formula(posterior, prior):
        return kl_divergence(posterior, prior)
    ratio = -code_log_ratio(z, posterior, prior)
    return ratio.mean(0) if ratio.ndim > 1 else ratio


def _whole(values: Tensor, first: int) -> Tensor:
    """Return values summed over the axes from `first` on, which are those of one code."""
    return values.flatten(first).sum(first) if values.ndim > first else values


def _has_formula(posterior: Distribution, prior: Distribution) -> bool:
    pair = type(posterior), type(prior)
    if pair not in _FORMULAS:
        try:
            kl_divergence(posterior, prior)
            _FORMULAS[pair] = True
        except NotImplementedError:
            _FORMULAS[pair] = False
    return _FORMULAS[pair]
