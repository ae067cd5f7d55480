"""PCA about the best estimate of samples from what is known of them beforehand: the baseline of models that are told it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from aerun.metrics.pca import Pca, fit

Source = Callable[[], Iterator[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Within:
    """x_hat = E + PCA(x - E), E = (1, c) W the best affine estimate of x from c: of classes, their means."""

    weights: Tensor  # (1 + m, D)
    pca: Pca

    def first(self, k: int) -> "Within":
        """Return the one of the first k components."""
        return Within(self.weights, self.pca.first(k))

    def __call__(self, x: Tensor, c: Tensor) -> Tensor:
        """Return the reconstructions of x (B, *S), of which c (B, m) is known."""
        expected = _expected(self.weights, c, x)
        return expected + self.pca(x - expected)


def within(batches: Source, k: int) -> Within:
    """Return the fit to the samples (B, *S) and conditions (B, m) that `batches()` yields; k components."""
    gram: Tensor | float = 0.0
    cross: Tensor | float = 0.0
    for x, c in batches():
        known = _with_one(c).double()
        gram, cross = gram + known.t() @ known, cross + known.t() @ x.flatten(1).double()
    assert isinstance(gram, Tensor)
    assert isinstance(cross, Tensor)
    weights = torch.linalg.pinv(gram, hermitian=True) @ cross  # classes and the one depend on each other
    return Within(weights, fit(lambda: (x - _expected(weights, c, x) for x, c in batches()), k))


def _with_one(c: Tensor) -> Tensor:
    return torch.cat([c.new_ones(len(c), 1), c], 1)


def _expected(weights: Tensor, c: Tensor, x: Tensor) -> Tensor:
    return (_with_one(c).to(weights) @ weights).to(x.dtype).reshape(x.shape)
