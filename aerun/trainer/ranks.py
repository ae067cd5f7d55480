"""One model on several processes, and what each of them knows of the others. Rank 0 is the command itself, and alone writes.

Every rank has the same weights, takes its share of the rows of every batch, and descends the same mean gradient: so
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
    """One rank's part of a batch.

    rows: those of the data that the rank takes. samples: how many the whole batch has. weight: that of the mean over these rows
    in the batch's mean.
    """

    rows: slice
    samples: int
    weight: float


@dataclass(frozen=True)
class Ranks:
    """This process's rank among `number` processes. Alone, it never exchanges anything."""

    rank: int = 0
    number: int = 1

    def share(self, first: int, last: int) -> Share:
        """Return this rank's share of the batch of rows `first` to `last` - 1.

        Every rank takes the whole of a batch that has fewer rows than there are ranks.
        """
        n = last - first
        if n < self.number:
            return Share(slice(first, last), n, 1 / self.number)
        low, high = (first + n * r // self.number for r in (self.rank, self.rank + 1))
        return Share(slice(low, high), n, (high - low) / n)

    def level(self, module: nn.Module) -> None:
        """Copy the parameters and buffers of rank 0 to all ranks."""
        if self.number > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)

    def mean(self, parameters: Sequence[nn.Parameter], values: Tensor, weight: float) -> Tensor:
        """Replace gradients by their sum over ranks, each times its `weight`; return that sum of values (k,)."""
        if self.number == 1:
            return values
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in grads), values.to(grads[0])]).mul_(weight)
        distributed.all_reduce(flat)
        *sums, values = flat.split([*(g.numel() for g in grads), len(values)])
        torch._foreach_copy_(grads, [f.view_as(g) for f, g in zip(sums, grads, strict=True)])
        return values

    def total(self, sums: Tensor) -> Tensor:
        """Return the sum over ranks."""
        if self.number > 1:
            distributed.all_reduce(sums)
        return sums
