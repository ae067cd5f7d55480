"""Mini-batches by index from one tensor on the compute device: no workers, no collate, no per-item Python."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from aerun.dataset.storage.store import BLOCK, POOL, Store
from aerun.trainer.ranks import Ranks, Share

_AT_ONCE = 100_000  # elements of small batches


@dataclass(frozen=True)
class Known:
    """Samples of which more is known than of the others: of which each batch holds a share at least.

    rows (k,): their indices. share: in every stretch of an order as many places are theirs, whatever the order has there.
    """

    rows: Tensor
    share: float

    def put(self, order: Tensor, g: torch.Generator) -> Tensor:
        """Return an order (n,) with draws of these rows in their places, which are evenly spaced."""
        places = torch.arange(len(order), dtype=torch.float64)
        theirs = ((places + 1) * self.share).floor() > (places * self.share).floor()
        drawn = self.rows[torch.randint(len(self.rows), (int(theirs.sum()),), generator=g)]
        return order.masked_scatter(theirs, drawn)


class Order:
    """The order of samples in an epoch: a pure function of (seed, epoch), so that a resumed run draws the same batches.

    same: every epoch has the order of the first. known: samples that are drawn more often, in the place of others; None: none.
    blocks: rows that are read together, and how many such blocks are mixed at a time, where samples are read as they are
    needed: blocks are drawn from everywhere, and the rows of each pool of them follow at random; None: any row follows any.
    """

    def __init__(
        self,
        n: int,
        seed: int,
        same: bool = False,
        known: Known | None = None,
        blocks: tuple[int, int] | None = None,
    ) -> None:
        self.n, self.seed, self.same, self.known, self.blocks, self.epoch = n, seed, same, known, blocks, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order is drawn; Lightning calls this at the start of every epoch."""
        self.epoch = epoch

    def draw(self) -> Tensor:
        """Return the indices (n,) of this epoch."""
        epoch = 0 if self.same else self.epoch
        g = torch.Generator().manual_seed(mix(self.seed, epoch, 1))
        order = torch.randperm(self.n, generator=g) if self.blocks is None else self._pooled(*self.blocks, g)
        return order if self.known is None else self.known.put(order, g)

    def _pooled(self, block: int, pool: int, g: torch.Generator) -> Tensor:
        """Return an order in which pools of blocks follow each other, the rows of a pool at random."""
        place = torch.randperm(math.ceil(self.n / block), generator=g)  # of each block among the others
        number = place[torch.arange(self.n).div(block, rounding_mode="floor")].div(pool, rounding_mode="floor")
        return (number + torch.rand(self.n, generator=g, dtype=torch.float64)).argsort()


def steps_of(rows: int, batch_size: int, drop_last: bool, limit: int | None) -> int:
    """Return how many batches an epoch of so many rows has; drop_last: a smaller last one is left out."""
    whole = rows // batch_size if drop_last else math.ceil(rows / batch_size)
    return whole if limit is None else min(whole, limit)


class Batches:
    """Iterates over *calls*, each a list-like of up to `per_call` batches (batch_size, *S) of stored samples.

    A training step of Lightning takes one call, so its fixed cost is paid once for several optimizer steps. With a seed the
    order is drawn, and every rank takes its share of each batch; without, batches are dealt to the ranks whole. weights: (n,)
    of the samples, on their device. same: the order of the first epoch in all. known: see `Order`.
    """

    def __init__(
        self,
        x: Tensor,
        *,
        batch_size: int,
        per_call: int,
        seed: int | None,
        drop_last: bool,
        limit: int | None,
        ranks: Ranks,
        weights: Tensor | None = None,
        same: bool = False,
        known: Known | None = None,
    ) -> None:
        self.weights = weights
        self.x, self.batch_size, self.per_call, self.shuffled = x, batch_size, per_call, seed is not None
        self.ranks = ranks
        if seed is not None:
            blocks = (BLOCK, POOL) if isinstance(x, Store) else None
            self.sampler = Order(len(x), seed, same, known, blocks)  # Lightning sets its epoch.
        self.steps = steps_of(len(x), batch_size, drop_last, limit)

    def __len__(self) -> int:
        return math.ceil(math.ceil(self.steps / self._stride) / self.per_call)

    def __iter__(self) -> Iterator["Call"]:
        order = self.sampler.draw().to(self.x.device) if self.shuffled else None
        own = range(self.ranks.rank if self._stride > 1 else 0, self.steps, self._stride)
        for number in range(len(self)):  # Every rank has as many: its last may be empty.
            yield Call(self, order, own[number * self.per_call : (number + 1) * self.per_call])

    @property
    def _stride(self) -> int:
        return 1 if self.shuffled else self.ranks.number

    def share(self, number: int) -> Share:
        """Return what this rank takes of a batch."""
        first = number * self.batch_size
        last = min(first + self.batch_size, len(self.x))
        return self.ranks.share(first, last) if self.shuffled else Share(slice(first, last), last - first, 1.0)


class Call:
    """Some consecutive batches, gathered when they are iterated over."""

    def __init__(self, batches: Batches, order: Tensor | None, numbers: range) -> None:
        self.x, self.weights, self.order = batches.x, batches.weights, order
        self.shares = [batches.share(number) for number in numbers]
        self._size = math.prod(self.x.shape[1:])

    def __len__(self) -> int:
        return len(self.shares)

    def weight(self, share: Share) -> Tensor | None:
        """Return the weights (B,) of the samples of one of its batches; None where all count alike."""
        if self.weights is None:
            return None
        return self.weights[share.rows if self.order is None else self.order[share.rows]]

    def samples(self, units: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield its batches as they are stored and in the units of a model, all gathered at once where they are small."""
        small = self.order is not None and len(self) > 1 and len(self) * self.shares[0].samples * self._size <= _AT_ONCE
        if not small or any(a.rows.stop != b.rows.start for a, b in pairwise(self.shares)):
            yield from ((stored, units(stored)) for stored in self)
            return
        assert self.order is not None
        every = self.x.index_select(0, self.order[self.shares[0].rows.start : self.shares[-1].rows.stop])
        sizes = [share.rows.stop - share.rows.start for share in self.shares]
        yield from zip(every.split(sizes), units(every).split(sizes), strict=True)

    def __iter__(self) -> Iterator[Tensor]:
        for rows, _, _ in self.shares:
            yield self.x[rows] if self.order is None else self.x.index_select(0, self.order[rows])


def mix(seed: int, epoch: int, stream: int) -> int:
    """Return a seed for one epoch and one purpose."""
    return ((seed * 1_000_003 + epoch) * 7 + stream) % (1 << 62)
