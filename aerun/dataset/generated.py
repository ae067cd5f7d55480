"""Data sets that are drawn here from a known law, so that what a model finds can be compared with the truth."""

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
    """Samples x (n, *S), labels (n,) or None, the factors (n, f) that they were made of, or None, and x unspoilt, or None."""

    x: Tensor
    y: Tensor | None = None
    factors: Tensor | None = None
    clean: Tensor | None = None


class Generated(Dataset):
    """Samples drawn by the same settings are the same, whatever the run's seed is.

    70 % are training, 15 % validation and 15 % test samples.
    """

    @abstractmethod
    def draw(self) -> Drawn:
        """Return all samples, before they are split."""

    def read(self) -> Data:
        drawn = self.draw()
        return _parts(Split(drawn.x, drawn.y))

    def factors(self) -> Data | None:
        """Return the factors in the row order of `load()`, or None where the law has none."""
        drawn = self.draw()
        return None if drawn.factors is None else _parts(Split(drawn.factors, drawn.y))

    def clean(self) -> Data | None:
        """Return the samples before some of their values were spoilt, in the row order of `load()`, or None where none were."""
        drawn = self.draw()
        return None if drawn.clean is None else _parts(Split(drawn.clean, drawn.y))


def _parts(samples: Split) -> Data:
    return Data(*split(samples, 0.15, 0.15))


def samples(n: int) -> int:
    """Return `dataset.n`. Raise AerunError where it leaves nothing in one of the splits."""
    return integer("dataset.n", n, _LEAST)


def generator(seed: int) -> Generator:
    """Yield a random generator of the data set's own, seeded with `seed`."""
    return torch.Generator().manual_seed(integer("dataset.seed", seed, 0))


def orthonormal(rows: int, columns: int, g: Generator) -> Tensor:
    """Return a random (rows, columns) matrix with orthonormal columns."""
    return torch.linalg.qr(torch.randn(rows, columns, generator=g))[0]
