"""Activations of another network, in shards on disk."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from aerun.core.checks import integer, one_of, within
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage.store import Pairs, Shards, store_of
from aerun.formats.found import Found, found, sized
from aerun.formats.raw import Raw, raw
from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.norm import NORM, Norm
from aerun.preparation.pair import Pair

_SUFFIXES = (".npy", ".safetensors", ".parquet")
_SEED = 20061  # the split belongs to the store, not to the run


class Activations(Dataset):
    """Rows (n, D), or contexts (n, T, D), of the npy, safetensors and parquet files of a folder, a list or a pattern.

    Nothing is read but headers until rows are asked for, and rows stay in the type of their files until then: a store may be
    far larger than memory. parquet, whose rows are not one behind the other, is written once into `cache` as 32-bit numbers.
    key: the array of safetensors, or the column of lists of parquet; null: the only one (parquet: else all columns).

    Rows of one context resemble each other, so that splits are drawn of whole contexts, or of whole shards (`split`), never of
    rows. context: rows of a context of flat shards; 1: they are independent. drop_positions: of each context, such as [0], a
    first token whose norm is far above all others. An epoch mixes 64 blocks of 256 rows at a time, drawn anew from all shards,
    so that neighbours meet no more often than others of the pool; its order is a function of seed and epoch.

    target: shards of other activations, row for row those of `path`, that are to be computed of these (a transcoder); a sample
    is then a row of both. target_key: their array or column; without `target`, one in the files of `path`.

    prepare: norm, one scale for all (see `Norm`; of pairs one for each side, see `Pair`), or none. Raises AerunError for shards
    of several widths, damaged ones, targets that are not row for row, and, as soon as they are read, rows that hold a missing
    or an infinite value.
    """

    def __init__(
        self,
        *,
        path: str | Sequence[str] | None,
        key: str | None,
        target: str | Sequence[str] | None,
        target_key: str | None,
        split: str,
        context: int | None,
        drop_positions: Sequence[int],
        val: float,
        test: float,
        prepare: str,
        cache: str | None,
    ) -> None:
        if path is None:
            raise AerunError("dataset.path is not set: dataset=activations dataset.path=FOLDER.")
        self.path, self.key, self.cache = path, key, cache
        self.target, self.target_key = target, target_key
        self.split = one_of("dataset.split", split, ("auto", "contexts", "shards"))
        self.context = None if context is None else integer("dataset.context", context, 1)
        self.dropped = sorted({integer("dataset.drop_positions", p, 0) for p in drop_positions})
        self.val, self.test = within("dataset.val", val, 0, 1), within("dataset.test", test, 0, 1)
        if not (val > 0 and test > 0 and val + test < 1):
            raise AerunError(f"dataset.val={val}, dataset.test={test}: both above 0, and together below 1.")
        self.prepare = one_of("dataset.prepare", prepare, (NORM, "none"))

    @cached_property
    def files(self) -> Found:
        """Return the files of the store."""
        return found("dataset.path", self.path, _SUFFIXES)

    @cached_property
    def shards(self) -> Shards:
        """Return the shards, as their headers have them. AerunError where they do not fit together."""
        own = self._shards(self.files, self.key)
        if self.target is None and self.target_key is None:
            return own
        theirs = self._shards(self.target_files, self.target_key)
        return Pairs(own, theirs)

    @cached_property
    def target_files(self) -> Found:
        """Return the files of what is to be computed."""
        return self.files if self.target is None else found("dataset.target", self.target, _SUFFIXES)

    def _shards(self, files: Found, key: str | None) -> Shards:
        arrays = [raw(path, key, self.cache) for path in files.files]
        first = arrays[0]
        for array in arrays:
            if len(array.shape) not in (2, 3) or 0 in array.shape:
                words = "activations are rows (n, D) or contexts (n, T, D)"
                raise AerunError(f"{array.path}: an array of shape {array.shape}: {words}.")
            if array.shape[1:] != first.shape[1:]:
                raise AerunError(
                    f"{array.path}: holds rows of shape {array.shape[1:]}, and {first.path} of {first.shape[1:]}: all shards "
                    "of a store are of one width."
                )
            self._refuse_context(array)
        return Shards(arrays)

    def _refuse_context(self, array: Raw) -> None:
        if self.context is None:
            return
        if len(array.shape) == 3:
            raise AerunError(
                f"dataset.context={self.context}: {array.path} says itself that contexts have {array.shape[1]} rows."
            )
        if array.shape[0] % self.context:
            raise AerunError(f"dataset.context={self.context}: {array.path} holds {array.shape[0]} rows, no multiple of it.")

    @property
    def length(self) -> int:
        """Return the rows of a context; 1 where nothing says it."""
        shape = self.shards.arrays[0].shape
        return shape[1] if len(shape) == 3 else self.context or 1

    @cached_property
    def positions(self) -> Tensor:
        """Return the positions of a context that are kept."""
        kept = [p for p in range(self.length) if p not in self.dropped]
        if not kept or (self.dropped and self.dropped[-1] >= self.length):
            words = f"a context has {self.length} rows, numbered from 0"
            raise AerunError(f"dataset.drop_positions={self.dropped}: {words}, some of which stay.")
        return torch.tensor(kept)

    def facts(self) -> Facts:
        shape, source = (self.shards.width,), self.shards.source
        prepared = shape if self.prepare == NORM or source else None
        known = Facts(shape=shape, kind="table", unit=1.0, low=None, high=None, classes=None, source=source)
        return replace(known, prepared_from=prepared)

    def preparation(self) -> Preparation:
        if source := self.shards.source:
            return Pair(shape=(self.shards.width,), source=source, scaled=self.prepare == NORM)
        return Norm(shape=(self.shards.width,)) if self.prepare == NORM else Unchanged()

    @property
    def contexts(self) -> tuple[Shards, int, Tensor]:
        return self.shards, self.length, self.positions

    def files_read(self) -> list[tuple[str, int]]:
        return sized([*self.files.files, *(self.target_files.files if self.target is not None else ())])

    def read(self) -> Data:
        parts = self._by_shards() if self._whole_shards else self._by_contexts()
        return Data(*(Split(store_of(self.shards, part, self.positions, self.length), None) for part in parts))

    @property
    def _whole_shards(self) -> bool:
        """Return whether splits are of whole shards: asked for, or nothing says where a context ends."""
        said = self.context is not None or len(self.shards.arrays[0].shape) == 3
        if self.split == "contexts" and not said:
            raise AerunError(
                "dataset.split=contexts: rows (n, D) say no contexts. Use dataset.context=ROWS, 1 for independent rows."
            )
        return self.split == "shards" or not said

    def _by_contexts(self) -> list[Tensor]:
        total = sum(self._counts())
        return self._cut(torch.arange(total), "contexts")

    def _by_shards(self) -> list[Tensor]:
        counts = self._counts()
        starts = [sum(counts[:i]) for i in range(len(counts))]
        parts = self._cut(torch.arange(len(counts)), "shards")
        return [
            torch.cat([torch.arange(starts[i], starts[i] + counts[i]) for i in part.sort().values.tolist()]) for part in parts
        ]

    def _counts(self) -> list[int]:
        """Return how many contexts each shard holds."""
        return [a.shape[0] // (self.length if len(a.shape) == 2 else 1) for a in self.shards.arrays]

    def _cut(self, numbers: Tensor, what: str) -> list[Tensor]:
        """Return the numbers of training, validation and test, drawn at random, always the same, in order."""
        n = len(numbers)
        sizes = [max(1, round(share * n)) for share in (self.val, self.test)]
        if n < 3 or n - sum(sizes) < 1:
            other = (
                "Use dataset.context=ROWS, 1 for independent rows, or more shards." if what == "shards" else "Use more of them."
            )
            raise AerunError(f"dataset.path={self.files.shown}: {n} {what}, of which three splits are drawn whole. {other}")
        order = numbers[torch.randperm(n, generator=torch.Generator().manual_seed(_SEED))]
        return [part.sort().values for part in order.split([n - sum(sizes), *sizes])]
