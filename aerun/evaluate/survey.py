"""What there is to know about a data set before anything is trained on it."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from aerun.core.facts import Facts
from aerun.core.memory import rows_that_fit
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage.mapped import sample_rows
from aerun.metrics.intrinsic import affordable, maximum_likelihood, neighbours, two_nn
from aerun.preparation.base import Preparation

_FEW = 100  # samples that tell a dimension


@dataclass(frozen=True)
class Seen:
    """One split. low, high: of its real elements as stored, without what is missing or infinite. missing: NaN in each element
    (*stored), of ragged samples none. infinite: number of elements. repeated: samples that are equal to an earlier one.
    shared: those that are also in the training split. classes: number of samples of each. lengths: real steps of each sample.
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
    """Training, validation and test split."""
    prints = [_prints(split) for split in (data.train, data.val, data.test)]
    known = set(prints[0])
    return [
        _seen(split, facts, len(own) - len(set(own)), sum(p in known for p in own) if i else 0)
        for i, (split, own) in enumerate(zip((data.train, data.val, data.test), prints, strict=True))
    ]


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


def _prints(split: Split) -> list[bytes]:
    """A fingerprint of each sample, equal for equal bytes."""
    rows = max(1, 4_000_000 // max(1, split.x[:1].numel()))
    return [
        hashlib.blake2b(row.tobytes(), digest_size=16).digest()
        for part in split.x.split(rows)
        for row in part.flatten(1).contiguous().numpy()
    ]


def constant(train: Split, facts: Facts) -> Tensor:
    """True for elements (*stored) that have one value in all training samples; of sequences, for features (F,)."""
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
    """Two estimates of the intrinsic dimension, and of how many different training samples."""

    two_nn: float
    likelihood: float
    rows: int

    def codes(self, size: int) -> tuple[int, int]:
        """Code sizes worth trying: from the smaller estimate to twice it, or to the larger one; at most that of the data."""
        least, most = (max(1, round(v)) for v in sorted((self.two_nn, self.likelihood)))
        return min(least, size), min(max(2 * least, most), size)

    @property
    def unsure(self) -> bool:
        """Are the samples too few to tell: fewer than 100, or so few that one estimate is more than twice the other?"""
        low, high = sorted((self.two_nn, self.likelihood))
        return self.rows < _FEW or high > 2 * low


@torch.no_grad()
def dimension(data: Data, facts: Facts, preparation: Preparation) -> Dimension | None:
    """Of training samples as the model sees them, zero where a sequence has ended; None where there are too few.

    Text has none: distances between one-hot rows take few values.
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
