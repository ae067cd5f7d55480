"""The batches of several runs over the same samples, each in its own order."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.trainer.batches import Batches, Known, Order
from aerun.trainer.fused.members import Batch


class Orders:
    """The orders of the runs that go on, (A, n)."""

    def __init__(self, n: int, seeds: Callable[[], Sequence[int]], same: bool, known: Known | None) -> None:
        self.n, self.seeds, self.same, self.known, self.epoch = n, seeds, same, known, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose orders are drawn; Lightning calls this at the start of every epoch."""
        self.epoch = epoch

    def draw(self) -> Tensor:
        """Return the indices (A, n) of this epoch, each row as its run would draw it alone."""
        rows = []
        for seed in self.seeds():
            order = Order(self.n, seed, self.same, self.known)
            order.set_epoch(self.epoch)
            rows.append(order.draw())
        return torch.stack(rows)


class Together:
    """Iterates over calls as `alone` does; a call is a list of indices (A, batch_size) of samples."""

    def __init__(self, alone: Batches, seeds: Callable[[], Sequence[int]]) -> None:
        self.alone = alone
        own = alone.sampler
        self.sampler = Orders(own.n, seeds, own.same, own.known)

    def __len__(self) -> int:
        return len(self.alone)

    def __iter__(self) -> Iterator[list[Tensor]]:
        order, size, steps = self.sampler.draw().to(self.alone.x.device), self.alone.batch_size, self.alone.steps
        for first in range(0, steps, self.alone.per_call):
            last = min(first + self.alone.per_call, steps)
            yield [order[:, step * size : (step + 1) * size] for step in range(first, last)]

    def batch(self, index: Tensor, autoencoder: Autoencoder) -> Batch:
        """Return the samples at these indices (A, B), and what is known of them, as the autoencoders read them."""
        told = autoencoder.preparation.told is not None or autoencoder.arch.skip > 0
        known = self.samples(index, autoencoder.known) if told else None  # type: ignore[arg-type]
        return Batch(self.samples(index, autoencoder.units), self.seen(index, autoencoder), known)

    def samples(self, index: Tensor, units: Callable[[Tensor], Tensor]) -> Tensor:
        """Return samples (A, B, *S) at these indices (A, B). units: of a model, which all of them share."""
        return units(self.alone.x.index_select(0, index.flatten())).unflatten(0, index.shape)

    def seen(self, index: Tensor, autoencoder: Autoencoder) -> Tensor | None:
        """Return which elements of these samples were really recorded, (A, B, *S) bool, as losses get it; None: not told."""
        return self.samples(index, autoencoder.seen) if autoencoder.preparation.tells_seen else None  # type: ignore[arg-type]
