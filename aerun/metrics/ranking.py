"""How early the relevant entries come in a ranking."""

import torch
from torch import Tensor


def average_precision(relevant: Tensor) -> Tensor:
    """Return AP, the mean over relevant entries of the precision at their rank, (q,), float64.

    relevant (q, n): bool, in the order of the full ranking; the denominator is the number of all relevant entries. NaN for a
    query without any.
    """
    hits = relevant.double()
    ranks = torch.arange(1, relevant.shape[1] + 1, dtype=torch.float64, device=relevant.device)
    return (hits.cumsum(1) / ranks * hits).sum(1) / hits.sum(1)


def precision_at(relevant: Tensor, k: int) -> Tensor:
    """Return the share of relevant entries among the first k: (q, n) -> (q,), float64."""
    return relevant[:, :k].double().mean(1)
