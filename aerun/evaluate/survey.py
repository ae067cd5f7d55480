"""What there is to know about a data set before anything is trained on it."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.facts import Facts
from aerun.core.memory import rows_that_fit
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage.fingerprint import fingerprint
from aerun.dataset.storage.mapped import sample_rows
from aerun.evaluate.near import NearlyEqual, near_words, nearly_equal
from aerun.metrics.intrinsic import affordable, maximum_likelihood, neighbours, two_nn
from aerun.preparation.base import Preparation

_BYTES = 256_000_000  # bytes of samples in which a run looks for duplicates

log = logging.getLogger("aerun")

_known: dict[str, tuple["Duplicates", NearlyEqual]] = {}  # what was found in the data that were last asked of
_FEW = 100  # samples: a dimension estimated from fewer is unsure


@dataclass(frozen=True)
class Seen:
    """What is known of one split.

    low, high: of its real elements as stored, without what is missing or infinite. missing: NaN in each element (*stored), of
    ragged samples none. infinite: number of elements. repeated: samples that are equal to an earlier one. shared: those that
    are also in the training split. classes: number of samples of each. lengths: real steps of each sample.
    """

    n: int
    low: float
    high: float
    missing: Tensor
    infinite: int
    repeated: int
    shared: int
    classes: Tensor | None
    lengths: Tensor | None


def survey(data: Data, facts: Facts) -> list[Seen]:
    """Return what is known of the training, validation and test split."""
    splits = (data.train, data.val, data.test)
    copies = duplicates(data, most=None)
    return [_seen(split, facts, r, s) for split, r, s in zip(splits, copies.repeated, copies.shared, strict=True)]


@dataclass(frozen=True)
class Duplicates:
    """Equal samples within and between the training, validation and test split.

    repeated: samples that are equal to an earlier one of the split. shared: those that are equal to a training sample. looked:
    how many were looked at. held: training samples that are in the test split.
    """

    repeated: tuple[int, ...]
    shared: tuple[int, ...]
    looked: tuple[int, ...]
    held: int


def duplicates(data: Data, most: int | None = _BYTES) -> Duplicates:
    """Count samples that are equal byte for byte.

    All are looked at where they hold at most `most` bytes together (256 MB; None: any number); of more every k-th of each
    split is, k the smallest with which they do.
    """
    splits = (data.train, data.val, data.test)
    size = sum(len(s) * s.x[:1].numel() * s.x.element_size() for s in splits)
    step = 1 if most is None else max(1, -(-size // most))
    prints = [_prints(s.x, step) for s in splits]
    return Duplicates(
        repeated=tuple(len(own) - len(np.unique(own)) for own in prints),
        shared=(0, *(int(np.isin(own, prints[0]).sum()) for own in prints[1:])),
        looked=tuple(map(len, prints)),
        held=int(np.isin(prints[0], prints[2]).sum()),
    )


def leak_words(copies: Duplicates) -> str:
    """Return what there is to say of samples that are in two splits, or nothing."""
    named = zip(("validation", "test"), copies.shared[1:], copies.looked[1:], strict=True)
    leaks = [f"{shared:,} of {looked:,} {name}" for name, shared, looked in named if shared]
    if not leaks:
        return ""
    whole = " The test split holds every training sample." if copies.held == copies.looked[0] else ""
    return f"{' and '.join(leaks)} samples are equal to training samples: errors on them are not of unseen data.{whole}"


def told_of(dataset: Dataset, data: Data) -> dict[str, Any]:
    """Return what results.json says of the data, and warn of leaks.

    leaks/val and leaks/test: the samples that are equal to a training sample, see `duplicates`; leaks/near_val and
    leaks/near_test: those that are nearly equal to one, see `nearly_equal`. notes: what was logged while the data were read.
    """
    copies, near = _leaks(dataset.own_samples(data), bool(dataset.facts().tokens))
    notes = list(dataset.notes)
    for words in (leak_words(copies), near_words(near)):
        if words:
            log.warning("leak: %s", words)
            notes.append(f"leak: {words}")
    leaks = dict(zip(("val", "test", "near_val", "near_test"), (*copies.shared[1:], *near.shared), strict=True))
    counts = {f"data/{name}": count for name, count in dataset.counts.items()}
    return {**{f"leaks/{k}": n for k, n in leaks.items()}, **counts, **({"notes": notes} if notes else {})}


def _leaks(data: Data, tokens: bool) -> tuple[Duplicates, NearlyEqual]:
    """Return the samples that splits share, equal and nearly so; a sweep's jobs ask it of the same data, one after another."""
    key = f"{fingerprint(data)} {tokens}"
    if key not in _known:
        _known.clear()
        _known[key] = duplicates(data), NearlyEqual((0, 0), (0, 0)) if tokens else nearly_equal(data)
    return _known[key]


def _seen(split: Split, facts: Facts, repeated: int, shared: int) -> Seen:
    missing, infinite, low, high, lengths = torch.zeros(facts.stored), 0, float("inf"), float("-inf"), []
    for stored in split.x.split(rows_that_fit(facts.size)):
        valid = facts.valid(stored)
        if valid is not None:
            lengths.append(valid.sum(1))
        elif stored.is_floating_point():
            missing = missing + stored.isnan().sum(0)
        real = stored if not stored.is_floating_point() else stored[stored.isfinite()]
        infinite += int(stored.isinf().sum()) if stored.is_floating_point() else 0
        if real.numel():
            low, high = min(low, float(real.min())), max(high, float(real.max()))
    classes = None if split.y is None else torch.bincount(split.y.long(), minlength=facts.classes or 0)
    return Seen(len(split), low, high, missing, infinite, repeated, shared, classes, torch.cat(lengths) if lengths else None)


def _prints(x: Tensor, step: int) -> NDArray[np.uint64]:
    """Return a hash of 64 bits for every step-th sample of x (n, *S), equal for equal bytes.

    It is the upper halves of two random weighted sums of the sample's 32-bit words. Two different samples have equal hashes
    with probability 2^-64. Multilinear hashing, Carter & Wegman 1979, https://doi.org/10.1016/0022-0000(79)90044-8.
    """
    rows, weights, hashes = max(1, 1_000_000 // max(1, x[:1].numel())), np.zeros((0, 2), np.uint64), []
    for first in range(0, len(x), rows * step):
        last = min(first + rows * step, len(x))
        part = x[first:last] if step == 1 else x[torch.arange(first, last, step)]
        raw = part.flatten(1).contiguous().numpy().view(np.uint8)
        words = np.pad(raw, ((0, 0), (0, -raw.shape[1] % 4))).view(np.uint32).astype(np.uint64)
        if len(weights) != words.shape[1]:
            weights = np.random.default_rng(0).integers(1 << 64, size=(words.shape[1], 2), dtype=np.uint64)
        high = (words @ weights) >> np.uint64(32)
        hashes.append(high[:, 0] << np.uint64(32) | high[:, 1])
    return np.concatenate(hashes)


def constant(train: Split, facts: Facts) -> Tensor:
    """Return flags (*stored), True for elements that have one value in all training samples; of sequences for features (F,)."""
    low = high = torch.zeros(0)
    for stored in train.x.split(rows_that_fit(facts.size)):
        part = stored.flatten(0, 1) if facts.kind == "sequence" else stored
        part = part.double()
        least, most = part.nan_to_num(nan=torch.inf).amin(0), part.nan_to_num(nan=-torch.inf).amax(0)
        low = least if not low.numel() else torch.minimum(low, least)
        high = most if not high.numel() else torch.maximum(high, most)
    return low >= high  # nothing but missing values counts as well


@dataclass(frozen=True)
class Dimension:
    """Two estimates of the intrinsic dimension, and the number of different training samples that they are made from."""

    two_nn: float
    likelihood: float
    rows: int

    def codes(self, size: int) -> tuple[int, int]:
        """Return code sizes worth trying: from the smaller estimate to twice it, or to the larger one.

        Both are less than `size`, the size of the data, and the upper one is at most half of it unless the lower one is more: a
        code as large as the data may copy them.
        """
        least, most = (max(1, round(v)) for v in sorted((self.two_nn, self.likelihood)))
        least = min(least, max(1, size - 1))
        return least, max(least, min(max(2 * least, most), size // 2))

    @property
    def unsure(self) -> bool:
        """Return whether the samples are too few to tell.

        That is so for fewer than 100, and where one estimate is more than twice the other.
        """
        low, high = sorted((self.two_nn, self.likelihood))
        return self.rows < _FEW or high > 2 * low


@torch.no_grad()
def dimension(data: Data, facts: Facts, preparation: Preparation) -> Dimension | None:
    """Return the intrinsic dimension of the training samples as the model sees them, or None where there are too few.

    Steps behind the end of a sequence count as zero. Text has no dimension: distances between one-hot rows take few values.
    """
    if facts.tokens:
        return None
    if facts.prepared_from is not None:
        preparation.fit(facts.units(sample_rows(data.train.x)))
    g = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(data.train), generator=g)[: affordable(facts.size)]
    x: Tensor = preparation(facts.units(data.train.x.index_select(0, rows))).flatten(1)
    x = x[x.isfinite().all(1)]
    try:
        distances = neighbours(x)
    except ValueError:
        return None
    return Dimension(two_nn(distances), maximum_likelihood(distances), len(distances))
