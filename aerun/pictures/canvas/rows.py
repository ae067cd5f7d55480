"""Which samples are drawn."""

import torch
from torch import Tensor

from aerun.core.facts import valid_weight
from aerun.dataset.splits import Split
from aerun.metrics.squared_error import of_samples
from aerun.trained import Trained


def stride_sample(split: Split, most: int) -> Split:
    """Return at most `most` samples: all, or every (n / most)-th, so that a split sorted by class is seen whole."""
    n = len(split)
    return split if n <= most else split.take(torch.arange(most) * n // most)


@torch.no_grad()
def errors(trained: Trained, split: Split, pca: bool = False) -> Tensor:
    """Return squared error of each sample, summed over its real elements, of the model or of PCA of the same size.

    (n,) float64.
    """
    parts, like = [], next(trained.exact.arch.parameters()).dtype
    for x, beside in trained.known_batches(split):
        valid = beside.get("valid")
        x_hat = trained.informed(x, beside) if pca else trained.exact(x.to(like), **beside)
        parts.append(of_samples(x_hat, x, valid_weight(valid, x)).cpu())
    return torch.cat(parts)


@torch.no_grad()
def grids(trained: Trained, split: Split) -> Tensor:
    """Return codes of clean samples, (n, d, *grid)."""
    return torch.cat([trained.autoencoder.encode(x, **beside) for x, beside in trained.known_batches(split)])
