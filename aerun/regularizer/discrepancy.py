"""The maximum mean discrepancy: how far two sets of samples are from following one distribution."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.vocabulary import wide

KERNELS = ("imq", "gaussian")
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # Tolstikhin et al.


def mean_squared_distance(prior: Distribution) -> Tensor:
    """Return C, the mean squared distance of two samples of a prior with batch shape (B, d, *grid), a scalar."""
    return 2 * prior.variance.flatten(1).sum(1).mean()


def mmd2(a: Tensor, b: Tensor, c: Tensor | float, kernel: str = "imq", scales: Sequence[float] = SCALES) -> Tensor:
    """Return the unbiased MMD^2 of samples a (n, ...) and b (m, ...) by a kernel of regularizer=mmd with C = c; a scalar.

    A set of one sample has no pairs; their mean then counts as 0.
    """
    a, b = wide(a).flatten(1), wide(b).flatten(1)
    within = [_mean_of_pairs(_kernel(_squared_distances(s, s), c, kernel, scales)) for s in (a, b)]
    return within[0] + within[1] - 2 * _kernel(_squared_distances(a, b), c, kernel, scales).mean()


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Map (n, k), (m, k) to squared distances (n, m), by one matrix product."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.t()).clamp_min(0)


def _kernel(d2: Tensor, c: Tensor | float, kernel: str, scales: Sequence[float]) -> Tensor:
    widths = [s * c for s in scales]  # one by one, since all scales at once would multiply the memory by their number
    return sum((w / (w + d2) if kernel == "imq" else torch.exp(-d2 / w) for w in widths), start=torch.zeros_like(d2))


def _mean_of_pairs(k: Tensor) -> Tensor:
    """Return the mean of k (n, n) off the diagonal."""
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / max(1, n * (n - 1))
