"""A trained model, and the data that it was trained on where they are asked for."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.autoencoder import Autoencoder
from aerun.core.facts import known_weight, valid_weight
from aerun.core.memory import rows_that_fit
from aerun.core.seeding import own_draws
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split
from aerun.metrics.pca import Pca, fit
from aerun.metrics.within import Within, within

T = TypeVar("T")


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
        """Return the data set's three splits, read when they are first asked for."""
        return self.dataset.load() if self.loaded is None else self.loaded

    def batches(self, split: Split, rows: int | None = None) -> Iterator[Tensor]:
        """Yield samples (B, *S) in the units the model works in."""
        return (x for x, _ in self.known_batches(split, rows))

    def stored_batches(self, split: Split, rows: int | None = None) -> Iterator[Tensor]:
        """Yield samples (B, *stored) as they are stored."""
        yield from split.x.to(self.device).split(rows or rows_that_fit(self.autoencoder.facts.size))

    def exact_batches(self, split: Split) -> Iterator[Tensor]:
        """Yield samples as they are stored, half as many at a time: in 64 bits they take twice the memory."""
        return self.stored_batches(split, rows_that_fit(2 * self.autoencoder.facts.size))

    def valid_batches(self, split: Split, rows: int | None = None) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield the same with what is real of them, (B, T), where samples have lengths of their own."""
        return ((x, beside.get("valid")) for x, beside in self.known_batches(split, rows))

    def known_batches(self, split: Split, rows: int | None = None) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Yield the same with what is known of them beside their values, see `Autoencoder.beside`: what passes ask for."""
        model = self.autoencoder
        for stored in self.stored_batches(split, rows):
            yield model.units(stored).to(next(model.arch.parameters()).dtype), model.beside(stored)

    def told(self, split: Split) -> Tensor | None:
        """Return c (n, m), what is known of samples beforehand; None where the model is told nothing."""
        known = (self.autoencoder.known(stored) for stored in self.stored_batches(split))
        parts = [c for c in known if c is not None]
        return torch.cat(parts) if parts else None

    def kept(self, name: str, compute: Callable[[], T]) -> T:
        """Return what `compute` returned when it was first asked for under this name; the weights stay as they are."""
        if name not in self.__dict__:
            self.__dict__[name] = compute()
        value: T = self.__dict__[name]
        return value

    def of_data(self, name: str, compute: Callable[[], T]) -> T:
        """Return what depends on the data, the type of numbers and the size of the code alone; runs that share data share it.

        Where the data are prepared for the model, each run computes it.
        """
        model = self.autoencoder
        if model.facts.prepared_from is not None:
            return compute()
        like = next(model.arch.parameters())
        return self.data.kept((name, model.free_numbers, like.dtype, like.device), compute)

    @cached_property
    def exact(self) -> Autoencoder:
        """Return the model in 64 bits: what it says of a sample does not depend on the others in a batch."""
        return in_64_bits(self.autoencoder)

    @cached_property
    def mean(self) -> Tensor:
        """Return mean of the training samples over their real elements, (1, *S)."""
        return self.of_data("mean", lambda: mean_of(lambda: self.known_batches(self.data.train)))

    @cached_property
    def variance(self) -> Tensor:
        """Return the variance of each element over the real ones of the training samples, (1, *S), in 64 bits."""
        total = count = torch.zeros_like(self.mean, dtype=torch.float64)
        for x, beside in self.known_batches(self.data.train):
            weight = torch.ones_like(x) * known_weight(beside, x)
            total = total + ((x - self.mean).double().square() * weight).sum(0)
            count = count + weight.sum(0)
        return total / count.clamp_min(1)

    @cached_property
    def pca(self) -> Pca:
        """Return PCA of the training samples with as many numbers in its code as the model's."""
        return self.of_data("pca", self._pca)

    def _pca(self) -> Pca:
        def batches() -> Iterator[Tensor]:
            return (self._whole(x, valid) for x, valid in self.valid_batches(self.data.train))

        return fit(batches, self.autoencoder.free_numbers)

    def informed(self, x: Tensor, beside: dict[str, Tensor], components: int | None = None) -> Tensor:
        """Return the reconstructions of x (B, *S) by a PCA that is told what the model is told, `beside` their values.

        It is about the best estimate from that, see `Within`, and about the training mean where the model is told nothing.
        components: the first so many; None: as many as the code has numbers.
        """
        k, whole = (
            self.autoencoder.free_numbers if components is None else components,
            self._whole(x, beside.get("valid")),
        )
        return self.pca.first(k)(whole) if self.autoencoder.told is None else self._within.first(k)(whole, beside["c"])

    def _whole(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Return x (B, *S) as PCA reads it: the mean where there is no step, and where nobody judges what is there."""
        source = self.autoencoder.facts.source
        return (
            torch.cat([self.mean[:, :source].expand(len(x), -1), x[:, source:]], 1) if source else filled(x, valid, self.mean)
        )

    @cached_property
    def _within(self) -> Within:
        return within(self._with_c, self.autoencoder.free_numbers)

    def _with_c(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield training samples (B, *S), the mean where there is no step, and what is known of them beforehand."""
        for x, beside in self.known_batches(self.data.train):
            yield filled(x, beside.get("valid"), self.mean), beside["c"]

    def flat(self, split: Split) -> Tensor:
        """Return samples (n, D), the mean where there is no step: what baselines without a model read."""
        return torch.cat([filled(x, valid, self.mean).flatten(1) for x, valid in self.valid_batches(split)])

    def samples(self, split: Split) -> Tensor:
        """Return all of them, (n, *S)."""
        return torch.cat(list(self.batches(split)))

    @torch.no_grad()
    def codes(self, split: Split) -> Tensor:
        """Return deterministic codes of clean samples, (n, d)."""
        return torch.cat([self.autoencoder.encode(x, **beside).flatten(1) for x, beside in self.known_batches(split)])


def gathered(parts: Iterable[Tensor], n: int) -> Tensor:
    """Return parts (m, ...) of n rows in all as one tensor on the CPU, filled as they come.

    A list of small results that are made between large ones would keep the heap from being used again.
    """
    whole, done = torch.empty(0), 0
    for part in parts:
        whole = whole if done else torch.empty(n, *part.shape[1:], dtype=part.dtype)
        whole[done : done + len(part)] = part
        done += len(part)
    return whole


def in_64_bits(model: Autoencoder) -> Autoencoder:
    """Return a copy of the model in 64 bits, the model itself where it is that already, or where its device has none (mps).

    In 32 bits the last digits of a sample depend on how many others are computed beside it, and where a reconstruction is
    close, an error is made of these digits. Scores that are compared with a threshold are computed in 64 bits.
    """
    like = next(model.arch.parameters())
    if like.dtype == torch.float64 or like.device.type == "mps":
        return model
    return copy.deepcopy(model).double()


@torch.no_grad()
def sampled_codes(trained: Trained, split: Split) -> Tensor:
    """Return codes of clean samples (n, d, *grid) as the decoder saw them in training.

    Where codes are random one draw from the posterior of each sample, else the codes themselves.

    A density that is fitted to the means of posteriors leaves out what they spread: a unit that says nothing of a sample has a
    mean that never varies and a variance of 1. Draws are always the same, and torch's random numbers are left alone.
    """
    model = trained.autoencoder
    if "posterior" not in model.bottleneck.offers:
        return torch.cat([model.encode(x, **beside) for x, beside in trained.known_batches(split)])
    with own_draws(trained.seed):
        return torch.cat([posterior.sample() for posterior in posteriors(trained, split)])


@torch.no_grad()
def posteriors(trained: Trained, split: Split) -> Iterator[Distribution]:
    """Yield q(z|x) of clean samples, of a part of them at a time; only where codes are random."""
    for x, beside in trained.known_batches(split):
        yield trained.autoencoder.clean_pass(x, **beside)["posterior"]


def mean_of(batches: Callable[[], Iterator[tuple[Tensor, dict[str, Tensor]]]]) -> Tensor:
    """Return mean of the real elements, (1, *S)."""
    total = count = torch.zeros((), dtype=torch.float64)
    for x, beside in batches():
        weight = torch.ones_like(x, dtype=torch.float64) * known_weight(beside, x)
        total = total.to(x.device) + (weight * x).sum(0)
        count = count.to(x.device) + weight.sum(0)
    return (total / count.clamp_min(1)).to(x.dtype)[None]


def filled(x: Tensor, valid: Tensor | None, mean: Tensor) -> Tensor:
    """Return x (B, *S) with the mean where there is no step."""
    return x if valid is None else torch.where(torch.ones_like(x) * valid_weight(valid, x) > 0, x, mean)
