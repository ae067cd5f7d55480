"""A density of codes that is fitted after training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from torch import Tensor


class Fit(ABC):
    """A density of flat codes (n, E) in 64 bits: it is drawn from, evaluated, and kept as arrays."""

    @classmethod
    @abstractmethod
    def fitted(cls, rows: Tensor, seed: int) -> Self:
        """Return the density fitted to codes (n, E)."""

    @classmethod
    @abstractmethod
    def restored(cls, arrays: Mapping[str, Tensor]) -> Self:
        """Return the density that `arrays` describe. KeyError or ValueError where they describe none."""

    @abstractmethod
    def arrays(self) -> dict[str, Tensor]:
        """Return all that it consists of."""

    @abstractmethod
    def draw(self, n: int) -> Tensor:
        """Return n codes, (n, E)."""

    @abstractmethod
    def log_density(self, rows: Tensor) -> Tensor:
        """Return log p of codes (n, E) in nats, (n,)."""
