"""Samples that are nearly equal to training samples: saved once more, rounded, with a little noise on top."""

from dataclasses import dataclass

import torch
from torch import Tensor

from aerun.dataset.splits import Data

_TRAIN, _TEST = 10_000, 1_000  # samples that are looked at, spread evenly over their split
_BYTES = 128_000_000
_WIDTH = 64  # numbers of a random projection, in which neighbours are looked for
_NEAR = 0.03  # root mean square of a difference, in standard deviations of the training samples
_RATIO = 0.05  # of the usual distance between a training sample and its nearest
_LEAST = 3  # elements: where there are fewer, chance alone brings samples so near


@dataclass(frozen=True)
class NearlyEqual:
    """shared: validation and test samples that are nearly equal to a training sample. looked: how many were looked at."""

    shared: tuple[int, int]
    looked: tuple[int, int]


@torch.no_grad()
def nearly_equal(data: Data) -> NearlyEqual:
    """Count validation and test samples that are nearly equal to a training sample, and not equal to it.

    x and y are nearly equal where the root mean square of (x - y) / s is above 0 and at most 0.03, s the training deviation
    of each element, and at most a twentieth of what lies between a training sample and its nearest other one (the median of
    it): where data are dense, being near says nothing. Looked at are up to 10,000 training samples and 1,000 of each other
    split (128 MB at most), spread evenly. What is missing counts as the mean. The nearest is found by a random projection to
    64 numbers, which keeps distances (Johnson & Lindenstrauss 1984), and then measured in full.
    """
    train = _rows(data.train.x, _TRAIN)
    mean, deviation = _moments(train)
    alive = deviation > 0
    if int(alive.sum()) <= _LEAST or len(train) < _LEAST:
        return NearlyEqual((0, 0), (0, 0))
    base = _scaled(train, mean, deviation, alive)
    small = _projected(base)
    usual = _usual(base, small)
    counts, looked = [], []
    for split in (data.val, data.test):
        x = _scaled(_rows(split.x, _TEST), mean, deviation, alive)
        away = _distance(x, base, _nearest(_projected(x), small))
        counts.append(int(((away > 0) & (away <= min(_NEAR, _RATIO * usual))).sum()))
        looked.append(len(x))
    return NearlyEqual((counts[0], counts[1]), (looked[0], looked[1]))


def near_words(near: NearlyEqual) -> str:
    """Return what there is to say of samples that are nearly equal, or nothing."""
    named = zip(("validation", "test"), near.shared, near.looked, strict=True)
    parts = [f"{shared:,} of {looked:,} {name}" for name, shared, looked in named if shared]
    if not parts:
        return ""
    return f"{' and '.join(parts)} samples are nearly equal to training samples (they differ by 3 % of a deviation at most)."


def _rows(x: Tensor, most: int) -> Tensor:
    """Return up to `most` rows, or as many as take 128 MB, evenly spread."""
    most = min(most, max(1, _BYTES // (4 * x[:1].numel())))
    return x.index_select(0, torch.arange(0, len(x), max(1, -(-len(x) // most))))


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    flat = x.flatten(1).float()
    there = ~flat.isnan()
    count = there.sum(0).clamp_min(1)
    mean = flat.nan_to_num().sum(0) / count
    return mean, (((flat - mean).nan_to_num().square().sum(0)) / count).sqrt()


def _scaled(x: Tensor, mean: Tensor, deviation: Tensor, alive: Tensor) -> Tensor:
    return ((x.flatten(1).float() - mean)[:, alive] / deviation[alive]).nan_to_num(0.0)


def _projected(x: Tensor) -> Tensor:
    if x.shape[1] <= _WIDTH:
        return x
    directions = torch.randn(x.shape[1], _WIDTH, generator=torch.Generator().manual_seed(0))
    return x @ directions / _WIDTH**0.5


def _nearest(x: Tensor, base: Tensor, own: Tensor | None = None) -> Tensor:
    """Return the place in `base` of the row nearest to each row of x; own: places that are x itself and do not count."""
    squares = base.square().sum(1)
    places = []
    for first in range(0, len(x), 256):
        away = squares - 2 * x[first : first + 256] @ base.T
        if own is not None:
            away[torch.arange(len(away)), own[first : first + 256]] = torch.inf
        places.append(away.argmin(1))
    return torch.cat(places)


def _distance(x: Tensor, base: Tensor, places: Tensor) -> Tensor:
    """Return the root mean square of what lies between rows and those at `places`, (n,)."""
    return (x - base[places]).square().mean(1).sqrt()


def _usual(base: Tensor, small: Tensor) -> float:
    """Return the median distance between training samples and their nearest others that differ from them."""
    some = torch.arange(0, len(base), max(1, len(base) // _TEST))
    away = _distance(base[some], base, _nearest(small[some], small, some))
    apart = away[away > 0]
    return float(apart.median()) if len(apart) else 0.0
