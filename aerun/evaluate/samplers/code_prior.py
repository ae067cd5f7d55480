"""A probability of the numbers of discrete codes that is fitted after training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

_LOGITS = 2_000_000  # that are held together


class Steps(ABC):
    """The positions of n codes one after the other: called with the numbers (n,) of the last one, or None to begin with."""

    @abstractmethod
    def __call__(self, last: Tensor | None) -> Tensor:
        """Return the probabilities (n, A) of the next number, in 64 bits; A is that of the position with the most levels."""


class CodePrior(ABC):
    """p(numbers) = prod_t p(number_t | those before it) of rows (n, P): place by place of a grid, in raster order.

    levels (P,): the t-th number is one of 0 ... levels[t] - 1.
    """

    levels: tuple[int, ...]

    @classmethod
    @abstractmethod
    def fitted(cls, rows: Tensor, levels: Sequence[int], seed: int) -> Self:
        """Return what is fitted to whole numbers (n, P)."""

    @classmethod
    @abstractmethod
    def restored(cls, arrays: Mapping[str, Tensor], levels: Sequence[int]) -> Self:
        """Return what `arrays` describe. KeyError, RuntimeError or ValueError where they describe none."""

    @abstractmethod
    def arrays(self) -> dict[str, Tensor]:
        """Return all that it consists of."""

    @abstractmethod
    def log_p(self, rows: Tensor) -> Tensor:
        """Return log p of each number (n, P) in nats, given those before it."""

    @abstractmethod
    def steps(self, n: int) -> Steps:
        """Return n codes, to be gone through position by position."""

    @property
    def rows_at_once(self) -> int:
        """Return for how many codes the positions can be gone through together."""
        return max(1, _LOGITS // max(self.levels))

    @torch.no_grad()
    def log_density(self, rows: Tensor) -> Tensor:
        """Return log p of the numbers (n, P) of whole codes in nats, (n,), in 64 bits."""
        size = max(1, _LOGITS // (len(self.levels) * max(self.levels)))
        return torch.cat([self.log_p(part).double().sum(1) for part in rows.split(size)])

    @torch.no_grad()
    def draw(self, n: int) -> Tensor:
        """Return the numbers of n codes, (n, P)."""
        parts = []
        while n > 0:
            size = min(n, self.rows_at_once)
            after, columns, last = self.steps(size), [], None
            for _ in self.levels:
                last = torch.multinomial(after(last), 1)[:, 0]
                columns.append(last)
            parts.append(torch.stack(columns, 1))
            n -= size
        return torch.cat(parts)


def in_raster(numbers: Tensor) -> Tensor:
    """Map numbers of codes (n, u, *grid) to rows (n, P), P = places * u: place by place."""
    return numbers.movedim(1, -1).flatten(1)


def from_raster(rows: Tensor, units: int, grid: Sequence[int]) -> Tensor:
    """Map rows (n, P) to the numbers (n, u, *grid) that `in_raster` made them of."""
    return rows.reshape(len(rows), *grid, units).movedim(-1, 1)


def padded(rows: Sequence[int], like: Tensor) -> Tensor:
    """Return (P, A) bool: True for the levels that each position has."""
    levels = torch.tensor(rows, device=like.device)
    return torch.arange(int(levels.max()), device=like.device) < levels[:, None]
