"""What a plan is made from: facts of the training rows. Validation and test rows are counted, and not looked at."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage.mapped import sample_rows
from aerun.evaluate.survey import Dimension, dimension

_ROWS, _WIDEST = 5_000, 1_024  # training rows that are looked at; elements up to which all components are known
_ALIKE = 1e-12  # variance over the mean square below which a column says nothing
FEWEST = 20  # training samples
_FEWEST_OTHERS = 5  # validation and test samples


@dataclass(frozen=True)
class Look:
    """What is known of a data set.

    rows, val, test: samples of each split. size: elements of one, as a model sees it. shape: of one. steps: of a sequence, at
    most. gaps: share of cells without a value. words: columns that are categories. counts: median variance over mean of columns
    of whole numbers from 0 on, where all are such; else 0. ends: share of values at 0 or 1 of data within [0, 1]; else 0.
    skewed: share of columns whose skewness is above 2. shares: explained variance of so many leading components, rising.
    dimension: TwoNN, 0 where it is not known. normal: whether the data say what is normal. table: whether cells can be missing.
    """

    option: str
    kind: str
    shape: tuple[int, ...]
    rows: int
    val: int
    test: int
    size: int
    ragged: bool = False
    tokens: bool = False
    gaps: float = 0.0
    words: int = 0
    counts: float = 0.0
    ends: float = 0.0
    skewed: float = 0.0
    bounded: bool = False
    shares: tuple[float, ...] = ()
    dimension: float = 0.0
    normal: bool = False
    prepared: bool = False

    def components(self, share: float) -> int:
        """Return how many leading components hold this share of the variance, at least 1."""
        return min(len(self.shares), int(np.searchsorted(self.shares, share)) + 1) if self.shares else 1


def look(dataset: Dataset, option: str) -> Look:
    """Return what is known of a data set.

    The same rows in another order give the same: of many, those are taken whose bytes have the smallest hashes. Raises
    AerunError for data that are too few or constant.
    """
    facts, data = dataset.facts(), dataset.own_samples(dataset.load())
    _refuse_few(option, data)
    x = _in_order(sample_rows(data.train.x))
    known = Look(
        option,
        "text" if facts.tokens else facts.kind,
        facts.shape,
        len(data.train),
        len(data.val),
        len(data.test),
        facts.size,
        facts.ragged,
        bool(facts.tokens),
        normal=dataset.normal_classes is not None,
        prepared=facts.prepared_from is not None,
        words=sum(kind == "category" for _, kind, _, _ in facts.columns),
        bounded=facts.low == 0 and facts.high == 1,
    )
    seen = _seen(dataset, facts, data, x)
    shares, rank = _shares(seen)
    if not rank:
        raise AerunError(f"dataset={option}: every column has one value in all training samples: there is nothing to learn.")
    gaps, counts, skewed = _of_cells(facts, x)
    ends = _ends(seen) if known.bounded else 0.0
    known = replace(known, shares=shares, gaps=gaps, counts=counts, skewed=skewed, ends=ends)
    found = _dimension(data, facts, dataset, x)
    return known if found is None or found.unsure else replace(known, dimension=float(np.round(found.two_nn, 2)))


def _refuse_few(option: str, data: Data) -> None:
    for name, split, least in (
        ("training", data.train, FEWEST),
        ("validation", data.val, _FEWEST_OTHERS),
        ("test", data.test, _FEWEST_OTHERS),
    ):
        if len(split) < least:
            raise AerunError(
                f"dataset={option}: {len(split)} {name} samples: a plan needs {least} at least. Give more rows, or another "
                "split (dataset.val, dataset.test)."
            )


def _in_order(x: Tensor) -> Tensor:
    """Return at most 5,000 samples in an order that follows from their bytes alone."""
    flat = x.flatten(1).contiguous().numpy()
    keys = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in flat]
    order = sorted(range(len(keys)), key=keys.__getitem__)[:_ROWS]
    return x.index_select(0, torch.tensor(order))


def _seen(dataset: Dataset, facts: Facts, data: Data, x: Tensor) -> NDArray[np.float64]:
    """Return samples (n, D) as a model sees them, 0 where nothing is."""
    preparation = dataset.preparation()
    if facts.prepared_from is not None:
        preparation.fit(facts.units(sample_rows(data.train.x)))
    seen = preparation(facts.units(x)).flatten(1).double().numpy()
    return np.nan_to_num(seen)


def _shares(x: NDArray[np.float64]) -> tuple[tuple[float, ...], int]:
    """Return the rising shares of variance of leading components, and in how many directions the samples vary."""
    centred = x - x.mean(0)
    tall = centred.shape[1] <= _WIDEST
    some = centred if tall else centred[:_WIDEST]
    values = np.clip(np.linalg.eigvalsh(some.T @ some if tall else some @ some.T)[::-1], 0, None)
    whole = float(values.sum())
    if whole <= _ALIKE * max(float((x * x).sum()), 1e-300):
        return (), 0
    rank = int((values > 1e-10 * values[0]).sum())
    return tuple(np.round(np.cumsum(values[:rank]) / whole, 6).tolist()), rank


def _of_cells(facts: Facts, x: Tensor) -> tuple[float, float, float]:
    """Return gaps, counts and skewed of `Look`: of columns of tables as they are stored."""
    if facts.kind != "table" or not x.is_floating_point():
        return 0.0, 0.0, 0.0
    cells = x.flatten(1).double()
    seen = cells.isfinite()
    n = seen.sum(0).clamp_min(1)
    mean = torch.where(seen, cells, 0.0).sum(0) / n
    apart = torch.where(seen, cells - mean, 0.0)
    variance = apart.square().sum(0) / n
    skewness = (apart.pow(3).sum(0) / n) / variance.clamp_min(1e-300).pow(1.5)
    whole = bool(((cells == cells.round()) & (cells >= 0))[seen].all())
    spread = float((variance / mean.clamp_min(1e-12)).median()) if whole else 0.0
    skew = float((skewness.abs() > 2).double().mean())
    return round(float(1 - seen.double().mean()), 4), round(spread, 3), round(skew, 4)


def _ends(x: NDArray[np.float64]) -> float:
    return round(float(((x <= 0) | (x >= 1)).mean()), 4)


def _dimension(data: Data, facts: Facts, dataset: Dataset, x: Tensor) -> Dimension | None:
    if facts.tokens or facts.ragged:
        return None
    return dimension(Data(Split(x, None), data.val, data.test), facts, dataset.preparation())
