"""Data sets that are drawn here from a known law, so that what a model finds can be held against the truth."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from aerun.core.checks import integer
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split, split

_LEAST = 20  # samples: fewer leave nothing to validate on


@dataclass(frozen=True)
class Drawn:
    """Samples x (n, *S), labels (n,) or None, and the factors (n, f) that they were made of, or None."""

    x: Tensor
    y: Tensor | None = None
    factors: Tensor | None = None


class Generated(Dataset):
    """70 % training, 15 % validation, 15 % test. The same settings draw the same samples, whatever the run's seed is."""

    @abstractmethod
    def draw(self) -> Drawn:
        """Return all samples, before they are split."""

    def read(self) -> Data:
        drawn = self.draw()
        return _parts(Split(drawn.x, drawn.y))

    def factors(self) -> Data | None:
        """Return the factors, row for row those of `load()`, or None where the law has none."""
        drawn = self.draw()
        return None if drawn.factors is None else _parts(Split(drawn.factors, drawn.y))


def _parts(samples: Split) -> Data:
    return Data(*split(samples, 0.15, 0.15))


def samples(n: int) -> int:
    """Return `dataset.n` if it leaves something in each split, else AerunError."""
    return integer("dataset.n", n, _LEAST)


def generator(seed: int) -> Generator:
    """Yield the data set's own source of chance."""
    return torch.Generator().manual_seed(integer("dataset.seed", seed, 0))


def orthonormal(rows: int, columns: int, g: Generator) -> Tensor:
    """Return a random (rows, columns) matrix with orthonormal columns."""
    return torch.linalg.qr(torch.randn(rows, columns, generator=g))[0]
