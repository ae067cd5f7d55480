"""One model on several processes: what each of them knows of the others. Rank 0 is the command itself, and alone writes.

Every rank holds the same weights, takes its share of the rows of every batch, and descends the same mean gradient: so
trainer.batch_size keeps its meaning, and the number of ranks changes the speed and not the result. torch's
DistributedDataParallel takes one forward and one backward pass of a wrapped module; the objective calls the parts of a plain
one, several times where a regularizer wants to. So gradients are averaged here, after the backward pass and in one piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn


class Share(NamedTuple):
    """Rows of the data that one rank takes of a batch of so many samples, and the weight of their mean in the batch's."""

    rows: slice
    samples: int
    weight: float


@dataclass(frozen=True)
class Ranks:
    """This process's rank among so many. Alone, nothing is ever exchanged."""

    rank: int = 0
    number: int = 1

    def share(self, first: int, last: int) -> Share:
        """Of the batch of rows first to last - 1. One with fewer rows than ranks is taken whole by every rank."""
        n = last - first
        if n < self.number:
            return Share(slice(first, last), n, 1 / self.number)
        low, high = (first + n * r // self.number for r in (self.rank, self.rank + 1))
        return Share(slice(low, high), n, (high - low) / n)

    def level(self, module: nn.Module) -> None:
        """Parameters and buffers become those of rank 0."""
        if self.number > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)

    def mean(self, parameters: Sequence[nn.Parameter], values: Tensor, weight: float) -> Tensor:
        """Return gradients and values (k,) become their sums over ranks, each times its `weight`; returns the values."""
        if self.number == 1:
            return values
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in grads), values.to(grads[0])]).mul_(weight)
        distributed.all_reduce(flat)
        *found, values = flat.split([*(g.numel() for g in grads), len(values)])
        torch._foreach_copy_(grads, [f.view_as(g) for f, g in zip(found, grads, strict=True)])
        return values

    def total(self, sums: Tensor) -> Tensor:
        """Return the sum over ranks."""
        if self.number > 1:
            distributed.all_reduce(sums)
        return sums
