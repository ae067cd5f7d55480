"""Three splits of one data set, and how they are drawn."""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

_SEED = 20061  # the split belongs to the data set, not to the run: every seed is judged on the same test samples
_WORDS = {
    "train": ("train", "training", "trn", "trainval"),
    "val": ("val", "valid", "validate", "validation", "dev", "development"),
    "test": ("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout"),
}
_PARTS = {word: part for part, words in _WORDS.items() for word in words}
_DRESSED = re.compile(
    r"(?:\d+(?=[\W_]))?[\W_]*(h[oe]ld[-_ ]?out|[a-z]+?)(?:[-_ ]?(?:set|split|data|images|imgs))?[-_ ]?(?:(?:19|20)\d\d)?[\W_]*"
)


def split_name(word: str) -> str | None:
    """Return the split that the name of a folder or a cell means, "train", "val" or "test"; None for any other word.

    Any case and the usual synonyms (Training, VALID, dev, Testing, hold-out), also with a noun or a year behind them (test_set,
    train2017) or a number before them (01_train).
    """
    match = _DRESSED.fullmatch(word.strip().lower())
    return _PARTS.get(re.sub("[-_ ]", "", match[1])) if match else None


@dataclass(frozen=True)
class Split:
    """Stored samples (n, *S), their labels (n,) or None, and their weights (n,) in the objective; None: all count alike."""

    x: Tensor
    y: Tensor | None
    w: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: Tensor) -> "Split":
        """Return the samples at `index`."""
        y, w = (None if beside is None else beside[index] for beside in (self.y, self.w))
        return Split(self.x[index], y, w)


@dataclass(frozen=True)
class Data:
    """Three splits of one data set. The test split is read once, after training."""

    train: Split
    val: Split
    test: Split

    def kept(self, about: Hashable, compute: Callable[[], T]) -> T:
        """Return what `compute` returned when this was first asked of these data, which many runs may share."""
        kept: dict[Hashable, T] = self.__dict__.setdefault("_kept", {})
        if about not in kept:
            kept[about] = compute()
        return kept[about]


def number_type(rows: int) -> torch.dtype:
    """Return the type of numbers of so many rows: 32 bits where these suffice, as tables have many rows."""
    return torch.int32 if rows < 1 << 31 else torch.int64


def split(samples: Split, *shares: float) -> list[Split]:
    """Cut samples at random, always the same way, into len(shares) + 1 parts: the rest first, then one per share."""
    generator = torch.Generator().manual_seed(_SEED)
    order = torch.randperm(len(samples), generator=generator, dtype=number_type(len(samples)))
    sizes = [round(share * len(samples)) for share in shares]
    return [samples.take(part) for part in order.split([len(samples) - sum(sizes), *sizes])]
