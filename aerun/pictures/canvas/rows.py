"""Which samples are drawn."""

import torch
from torch import Tensor

from aerun.core.facts import known_weight
from aerun.dataset.splits import Split
from aerun.metrics.squared_error import of_samples
from aerun.trained import Trained, gathered


def stride_sample(split: Split, most: int) -> Split:
    """Return at most `most` samples: all, or every (n / most)-th, so that a split sorted by class is seen whole."""
    n = len(split)
    return split if n <= most else split.take(torch.arange(most) * n // most)


@torch.no_grad()
def errors(trained: Trained, split: Split, pca: bool = False) -> Tensor:
    """Return squared error of each sample, summed over its real elements, of the model or of PCA of the same size.

    (n,) float64.
    """
    like = next(trained.exact.arch.parameters()).dtype

    def each(x: Tensor, beside: dict[str, Tensor]) -> Tensor:
        x_hat = trained.informed(x, beside) if pca else trained.exact(x.to(like), **beside)
        return of_samples(x_hat, x, known_weight(beside, x))

    return gathered((each(x, beside) for x, beside in trained.known_batches(split)), len(split))


@torch.no_grad()
def grids(trained: Trained, split: Split) -> Tensor:
    """Return codes of clean samples, (n, d, *grid)."""
    return torch.cat([trained.autoencoder.encode(x, **beside) for x, beside in trained.known_batches(split)])
