"""A store of activations: rows of many shards as one tensor that stays on disk, in the type of its files."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.memory import trim_heap
from aerun.dataset.storage.mapped import Mapped, RowFile, writable
from aerun.formats.raw import Raw

BLOCK, POOL = 256, 64  # rows that are read as one, and blocks that an epoch's order mixes
_KEPT = 2 * POOL  # blocks in memory: batches may end one pool and begin the next
_BETWEEN = 8192  # bytes between rows up to which these are read too: a call of the system takes longer


class Shards:
    """All positions of all shards, numbered one behind the other, and the files that they are in."""

    source = 0  # of pairs the numbers of a row that belong to the first of both

    def __init__(self, arrays: Sequence[Raw]) -> None:
        self.arrays = list(arrays)
        self.width = self.arrays[0].shape[-1]
        sizes = torch.tensor([a.shape[0] * (a.shape[1] if len(a.shape) == 3 else 1) for a in self.arrays])
        self.starts = sizes.cumsum(0) - sizes
        kinds = {a.dtype for a in self.arrays}
        self.dtype = kinds.pop() if len(kinds) == 1 and self.arrays[0].dtype != torch.float64 else torch.float32
        self._files: dict[int, RowFile] = {}

    def read(self, positions: Tensor, into: Tensor | None = None) -> Tensor:
        """Return the rows at ascending positions, in the type of the files; of several types, or 64 bits, as 32-bit numbers.

        Rows of which only few others lie in between are read as one. into: where they go, in that type; None: a new tensor.
        """
        rows = torch.empty(len(positions), self.width, dtype=self.dtype) if into is None else into
        shard = torch.searchsorted(self.starts, positions, right=True) - 1
        apart = max(1, _BETWEEN // (self.width * self.dtype.itemsize)) + 1
        breaks = ((positions.diff() > apart) | (shard.diff() != 0)).nonzero().flatten() + 1
        edges = [0, *breaks.tolist(), len(positions)]
        for a, b in pairwise(edges):
            number = int(shard[a])
            self._run(number, positions[a:b] - self.starts[number], rows[a:b])
        return rows

    def _run(self, number: int, places: Tensor, into: Tensor) -> None:
        """Read the rows at ascending places of a shard, and those between them, as one."""
        array, first = self.arrays[number], int(places[0])
        count = int(places[-1]) - first + 1
        straight = count == len(places) and array.dtype == into.dtype
        part = into if straight else torch.empty(count, self.width, dtype=array.dtype)
        file = self._files.setdefault(number, RowFile(array.path))
        file.read(writable(part.view(torch.uint8)), array.first + first * self.width * array.dtype.itemsize)
        if not straight:
            into.copy_(part if count == len(places) else part.index_select(0, places - first))
        # A sum is many times as fast; one of finite values may be infinite, which is then looked into.
        if not bool(into.sum(dtype=torch.float32).isfinite()) and not bool(into.isfinite().all()):
            row = int(places[int((~into.isfinite().all(1)).int().argmax())])
            raise AerunError(f"{array.path}: row {row} holds values that are missing or infinite. Leave such rows out.")


class Pairs(Shards):
    """The rows of two stores, each behind the other's of the same position."""

    def __init__(self, first: Shards, second: Shards) -> None:
        sizes = [[(a.path, a.shape[:-1]) for a in shards.arrays] for shards in (first, second)]
        if len(sizes[0]) != len(sizes[1]):
            words = f"{len(sizes[1])} shards beside {len(sizes[0])} of dataset.path: there is one for each, in their order"
            raise AerunError(f"dataset.target: {words}.")
        for (path, shape), (other, theirs) in zip(*sizes, strict=True):
            if shape != theirs:
                words = f"rows {theirs} beside {shape} of {path}: a target for each, in their order"
                raise AerunError(f"dataset.target: {other} holds {words}.")
        self.arrays, self.starts = first.arrays, first.starts
        self.first, self.second = first, second
        self.source, self.width = first.width, first.width + second.width
        self.dtype = first.dtype if first.dtype == second.dtype else torch.float32

    def read(self, positions: Tensor, into: Tensor | None = None) -> Tensor:
        both = [side.read(positions).to(self.dtype) for side in (self.first, self.second)]
        return torch.cat(both, 1, out=into)


class Store(Mapped):
    """A tensor (n, D) of 32-bit numbers, the rows of whole contexts of `Shards`: nothing of it is in memory but what is read.

    contexts: ascending numbers of its contexts; each holds `positions` of `length` rows. Rows are read by number or by slice.
    Those of few blocks of 256 are read as blocks, of which 128 are kept, in the type of the files: an epoch's order mixes 64 at
    a time (`trainer.batches.Order`).
    """

    shards: Shards
    contexts: Tensor
    positions: Tensor
    length: int
    pool: Tensor  # rows of blocks (256 k, D)
    slots: Tensor  # of each block where in `pool` it is, -1 where it is not
    kept: Tensor  # of each place the block that is there
    used: Tensor  # and when it was last used
    clock: int

    goal: Tensor  # empty, of the type and on the device that rows are given in

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.goal.device

    @property
    def dtype(self) -> torch.dtype:  # type: ignore[override]
        return self.goal.dtype

    def _at(self, rows: Tensor) -> Tensor:
        """Return the positions in the shards of numbered rows."""
        context = self.contexts[rows.div(len(self.positions), rounding_mode="floor")]
        return context * self.length + self.positions[rows % len(self.positions)]

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        if dim != 0:
            raise NotImplementedError("a store of activations is read by rows")
        index = index.long().cpu()
        blocks = index.div(BLOCK, rounding_mode="floor")
        slots = self.slots[blocks]
        if bool((slots < 0).any()):
            needed = blocks.unique()
            if len(needed) > _KEPT:  # rows from everywhere: blocks would be read for one row each
                order = index.argsort()
                found = torch.empty(len(index), self.shape[1])
                found[order] = self._sorted(index[order]).float()
                return found.to(self.goal)
            self._load(needed)
            slots = self.slots[blocks]
        self.clock += 1
        self.used[slots] = self.clock
        return self.pool.index_select(0, slots * BLOCK + index % BLOCK).to(self.goal)

    def _sorted(self, index: Tensor) -> Tensor:
        """Return rows of ascending numbers, some of which may be the same."""
        unique, back = index.unique(return_inverse=True)
        return self.shards.read(self._at(unique)).index_select(0, back)

    def _range(self, *bounds: int) -> Tensor:
        """Return the rows from one number to another."""
        return self.shards.read(self._at(torch.arange(*bounds)))

    def _load(self, needed: Tensor) -> None:
        """Read blocks of which some are not in `pool`, in the place of those that were used longest ago."""
        there = self.slots[needed]
        self.used[there[there >= 0]] = self.clock + 1  # which stay
        for number in needed[there < 0].tolist():
            slot = len(self.kept) if len(self.kept) < _KEPT else int(self.used.argmin())
            if slot == len(self.kept):
                self.kept, self.used = (torch.cat([t, t.new_full((1,), -1)]) for t in (self.kept, self.used))
            if (slot + 1) * BLOCK > len(self.pool):
                room = max(1, min(len(self.pool) // BLOCK, _KEPT - slot))
                self.pool = torch.cat([self.pool, self.pool.new_empty(room * BLOCK, self.shape[1])])
            first, last = number * BLOCK, min((number + 1) * BLOCK, len(self))
            if (old := int(self.kept[slot])) >= 0:
                self.slots[old], self.kept[slot] = -1, -1  # also where reading fails
            self.shards.read(self._at(torch.arange(first, last)), self.pool[slot * BLOCK : slot * BLOCK + last - first])
            self.slots[number], self.kept[slot], self.used[slot] = slot, number, self.clock + 1

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, slice):
            return self._range(*index.indices(len(self))).to(self.goal)
        if isinstance(index, Tensor):
            return self.index_select(0, index.nonzero().flatten() if index.dtype == torch.bool else index)
        return self._sorted(torch.tensor([range(len(self))[index]]))[0].to(self.goal)

    def split(self, rows: int, dim: int = 0) -> Iterator[Tensor]:  # type: ignore[override]
        for first in range(0, len(self), rows):
            yield self[first : first + rows]
        trim_heap()

    def aminmax(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        parts = torch.stack([torch.stack(part.aminmax()) for part in self.split(BLOCK * POOL)])
        return parts[:, 0].amin(), parts[:, 1].amax()

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the same rows, given in another type or on another device; they are moved as they are read."""
        goal = self.goal.to(*args, **kwargs)
        if goal.device == self.device and goal.dtype == self.dtype:
            return self
        return store_of(self.shards, self.contexts, self.positions, self.length, goal)


def store_of(shards: Shards, contexts: Tensor, positions: Tensor, length: int, goal: Tensor | None = None) -> Store:
    """Return the rows of these contexts; see `Store`. goal: None, of 32 bits in this machine's memory."""
    n = len(contexts) * len(positions)
    store: Store = torch.empty(n, shards.width, device="meta").as_subclass(Store)
    store.shards, store.contexts, store.positions, store.length = shards, contexts, positions, length
    store.goal = torch.empty(0, dtype=torch.float32) if goal is None else goal
    store.pool, store.slots = torch.empty(0, shards.width, dtype=shards.dtype), torch.full((-(-n // BLOCK),), -1)
    store.kept, store.used, store.clock = torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long), 0
    return store
