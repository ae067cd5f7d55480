"""Principal component analysis: the baseline of every reconstruction."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_EXACT = 1536  # features up to which the full covariance is decomposed; above, its top is found by subspace iteration
_ROUNDS, _EXTRA = 8, 16

Source = Callable[[], Iterator[Tensor]]


@dataclass(frozen=True)
class Pca:
    """x_hat = m + V V^T (x - m), V (D, k) the leading eigenvectors of the training covariance about the mean m."""

    mean: Tensor
    components: Tensor

    def codes(self, x: Tensor) -> Tensor:
        """Map x (B, *S) to codes V^T (x - m), (B, k)."""
        return (x.flatten(1) - self.mean) @ self.components

    def first(self, k: int) -> "Pca":
        """Return the PCA of its first k components."""
        return Pca(self.mean, self.components[:, :k])

    def __call__(self, x: Tensor) -> Tensor:
        """Return the reconstructions of x (B, *S)."""
        return (self.mean + self.codes(x) @ self.components.t()).reshape(x.shape)


def fit(batches: Source, k: int) -> Pca:
    """Return the PCA of the samples that `batches()` yields, (B, *S) each, read in chunks and more than once.

    Hotelling 1933, https://doi.org/10.1037/h0071325; randomized for many features: Halko, Martinsson & Tropp 2011,
    https://arxiv.org/abs/0909.4061. k above the number of features gives the identity. n samples determine n - 1 components:
    no more are kept, and for a single sample there is one, which is zero.
    """
    total: Tensor | float = 0.0
    count = 0
    for x in batches():
        total, count = total + x.flatten(1).double().sum(0), count + len(x)
    assert isinstance(total, Tensor)
    mean = (total / count).to(x.dtype)
    k = min(k, len(mean), max(count - 1, 1))
    exact = len(mean) <= _EXACT
    if count == 1:
        return Pca(mean, torch.zeros(len(mean), 1, dtype=mean.dtype, device=mean.device))
    vectors = torch.linalg.eigh(_times(batches, mean, None))[1].flip(1) if exact else _top(batches, mean, k)
    return Pca(mean, vectors[:, :k].to(mean.dtype).contiguous())


def _times(batches: Source, mean: Tensor, q: Tensor | None) -> Tensor:
    """Return the scatter matrix S = sum (x - m)(x - m)^T, or S q without forming S, in float64."""
    total: Tensor | float = 0.0
    for x in batches():
        centred = x.flatten(1) - mean
        total = total + (centred.t() @ (centred if q is None else centred @ q.to(x.dtype))).double()
    assert isinstance(total, Tensor)
    return total


def _top(batches: Source, mean: Tensor, k: int) -> Tensor:
    g = torch.Generator().manual_seed(0)
    width = min(k + _EXTRA, len(mean))
    q = torch.randn(len(mean), width, generator=g, dtype=torch.float64).to(mean.device)
    for _ in range(_ROUNDS):
        q = torch.linalg.qr(_times(batches, mean, q))[0]
    small = q.t() @ _times(batches, mean, q)
    vectors = torch.linalg.eigh((small + small.t()) / 2)[1].flip(1)
    return q @ vectors
