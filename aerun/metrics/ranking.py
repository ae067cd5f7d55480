"""How early what is wanted comes in a ranking."""

import torch
from torch import Tensor


def average_precision(relevant: Tensor) -> Tensor:
    """AP = mean over relevant entries of the precision at their rank, (q, n) bool in the order of the ranking -> (q,), float64.

    Over the full ranking: the denominator is the number of all relevant entries. NaN for a query without any.
    """
    hits = relevant.double()
    ranks = torch.arange(1, relevant.shape[1] + 1, dtype=torch.float64, device=relevant.device)
    return (hits.cumsum(1) / ranks * hits).sum(1) / hits.sum(1)


def precision_at(relevant: Tensor, k: int) -> Tensor:
    """Map share of relevant entries among the first k, (q, n) -> (q,), float64."""
    return relevant[:, :k].double().mean(1)
