"""A trained model, and the data that it was trained on where they are asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.facts import valid_weight
from aerun.core.memory import rows_that_fit
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split
from aerun.metrics.pca import Pca, fit


@dataclass(frozen=True)
class Trained:
    """The weights of a run, in evaluation mode on `device`; `seed` is the run's."""

    autoencoder: Autoencoder
    dataset: Dataset
    device: torch.device
    seed: int
    loaded: Data | None = None

    @cached_property
    def data(self) -> Data:
        """The data set's three splits, read when they are first asked for."""
        return self.dataset.load() if self.loaded is None else self.loaded

    def batches(self, split: Split, rows: int | None = None) -> Iterator[Tensor]:
        """Samples (B, *S) in the units the model works in."""
        return (x for x, _ in self.valid_batches(split, rows))

    def stored_batches(self, split: Split, rows: int | None = None) -> Iterator[Tensor]:
        """Samples (B, *stored) as they are stored."""
        yield from split.x.to(self.device).split(rows or rows_that_fit(self.autoencoder.facts.size))

    def valid_batches(self, split: Split, rows: int | None = None) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The same with what is real of them, (B, T), where samples have lengths of their own."""
        model = self.autoencoder
        for stored in self.stored_batches(split, rows):
            yield model.units(stored).to(next(model.arch.parameters()).dtype), model.facts.valid(stored)

    @cached_property
    def mean(self) -> Tensor:
        """Mean of the training samples over their real elements, (1, *S)."""
        return mean_of(lambda: self.valid_batches(self.data.train))

    @cached_property
    def pca(self) -> Pca:
        """PCA of the training samples with as many numbers in its code as the model's."""
        return fit(
            lambda: (filled(x, valid, self.mean) for x, valid in self.valid_batches(self.data.train)),
            self.autoencoder.code_elements,
        )

    def flat(self, split: Split) -> Tensor:
        """Samples (n, D), the mean where there is no step: what baselines without a model read."""
        return torch.cat([filled(x, valid, self.mean).flatten(1) for x, valid in self.valid_batches(split)])

    def samples(self, split: Split) -> Tensor:
        """All of them, (n, *S)."""
        return torch.cat(list(self.batches(split)))

    @torch.no_grad()
    def codes(self, split: Split) -> Tensor:
        """Deterministic codes of clean samples, (n, d)."""
        return torch.cat([self.autoencoder.encode(x, valid=valid).flatten(1) for x, valid in self.valid_batches(split)])


def mean_of(batches: Callable[[], Iterator[tuple[Tensor, Tensor | None]]]) -> Tensor:
    """Mean of the real elements, (1, *S)."""
    total = count = torch.zeros((), dtype=torch.float64)
    for x, valid in batches():
        weight = torch.ones_like(x, dtype=torch.float64) * valid_weight(valid, x)
        total = total.to(x.device) + (weight * x).sum(0)
        count = count.to(x.device) + weight.sum(0)
    return (total / count.clamp_min(1)).to(x.dtype)[None]


def filled(x: Tensor, valid: Tensor | None, mean: Tensor) -> Tensor:
    """x (B, *S) with the mean where there is no step."""
    return x if valid is None else torch.where(torch.ones_like(x) * valid_weight(valid, x) > 0, x, mean)
