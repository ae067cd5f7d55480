"""Tables: numbers scaled, categories one-hot, missing values filled in and marked."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from aerun.core.errors import AerunError
from aerun.preparation.base import Preparation
from aerun.preparation.feature import Feature, as_bytes, features_of, places
from aerun.preparation.rank_gauss import KNOTS, RANK_GAUSS, bent, capped, knots_of
from aerun.preparation.statistics import centre_and_spread, factor, quantiles

MISSING = ("fill", "keep")  # what becomes of cells without a value
COUNTS = "counts"  # the way of a table of counts alone
COUNT = "count"  # and the kind of its columns in `layout`


class Columns(Preparation):
    """Stored rows (B, columns) -> (B, D): scaled numbers and dates | one-hot categories | marks, in the columns' order.

    Numbers: (x - c) / s of the training rows' values that are there (`centre_and_spread`); minmax is clipped to [0, 1].
    Categories: one element a word; a word that no training row has is all zeros. What is missing is filled in with the
    median or the most frequent word of the training rows; where training rows lack values a mark, 1 for missing, says so.
    A column that lacks values only later is filled in without a mark. Columns that are constant in training become 0.

    counts: x = log1p of whole numbers from 0 on; the counts themselves are what likelihoods of counts judge (`target`).

    rank_gauss: each number by its rank, as a Gaussian has it, by lines through at most 1,000 training values; what lies outside
    goes on along the outer lines, up to 5 (`exact`: without bound). Of fewer than 20 different values: standardized.

    missing=keep: nothing is filled in or marked. The elements of a missing cell are the means of those elements over the
    training rows that have one, and `seen` says which they are. shown: the encoder reads that too.

    `inverse`: numbers in own units, filled in where they were missing; the word with the largest element, -1 where none is
    above 0; the constant of a constant column. The checkpoint also holds the features themselves, as JSON in bytes.
    """

    numeric: Tensor  # (N,) places of numbers and dates
    asked: Tensor  # (K,) place of the column that each one-hot element asks
    word: Tensor  # (K,) and for which word
    marked: Tensor  # (M,) places of columns with a mark
    centre: Tensor  # (N,)
    spread: Tensor  # (N,) 0 for a constant
    rate: Tensor  # (N,) 1 / spread, and 0 for a constant
    fill: Tensor  # (columns,) what is filled in, own units
    alive: Tensor  # (K,) 0 for the word of a constant column
    average: Tensor  # (D,) mean of each element, where missing=keep
    knots: Tensor  # (N, KNOTS) values, where way=rank_gauss
    scores: Tensor  # (N, KNOTS) and what they become

    def __init__(self, *, features: Sequence[Feature], way: str, missing: str = "fill", shown: bool = False) -> None:
        super().__init__()
        self.features, self.way, self.missing = tuple(features), way, missing
        numeric, asked, word = places(self.features)
        self.columns = {i: self.features[i].name for i in numeric}
        self._index("numeric", numeric)
        self._index("asked", asked)
        self._index("word", word)
        self._index("marked", [i for i, f in enumerate(self.features) if f.missing and missing == "fill"])
        self.register_buffer("centre", torch.zeros(len(numeric)))
        self.register_buffer("spread", torch.ones(len(numeric)))
        self.register_buffer("rate", torch.ones(len(numeric)))
        self.register_buffer("fill", torch.zeros(len(self.features)))
        self.register_buffer("alive", torch.ones(len(asked)))
        self.keeps_gaps = missing == "keep"
        self.shows_gaps = self.keeps_gaps and shown
        if way == RANK_GAUSS:
            self.register_buffer("knots", torch.arange(float(KNOTS)).repeat(len(numeric), 1))
            self.register_buffer("scores", torch.arange(float(KNOTS)).repeat(len(numeric), 1))
        if missing == "keep":  # no buffer of the other way, whose checkpoints have none
            self.register_buffer("average", torch.zeros(self.size))

    @property
    def settings(self) -> dict[str, Any]:
        kept = {"missing": self.missing} if self.missing != "fill" else {}
        shown = {"shown": True} if self.shows_gaps else {}
        return {"features": [asdict(f) for f in self.features], "way": self.way, **kept, **shown}

    def _index(self, name: str, places: Sequence[int]) -> None:
        self.register_buffer(name, torch.tensor(places, dtype=torch.long), persistent=False)

    @property
    def size(self) -> int:
        """Return D, the number of elements that the model works on."""
        return len(self.numeric) + len(self.asked) + len(self.marked)

    @property
    def layout(self) -> tuple[tuple[str, str, int, int], ...]:
        """Return (name, kind, start, length) of each run of elements that say one thing, in order: see `Facts.columns`."""
        categories = [(f.name, "category", len(f.words)) for f in self.features if f.kind == "category"]
        numbers = [(f.name, COUNT if self.way == COUNTS else "number", 1) for f in self.features if f.kind != "category"]
        marks = [(self.features[i].name, "mark", 1) for i in self.marked.tolist()]
        runs, start = [], 0
        for name, kind, length in (*numbers, *categories, *marks):
            runs.append((name, kind, start, length))
            start += length
        return tuple(runs)

    @property
    def owners(self) -> Tensor | None:
        """Return (D,) the column of each element: a category's elements, and a column's mark, belong to one cell."""
        return (
            None if self.size == len(self.features) == len(self.numeric) else torch.cat([self.numeric, self.asked, self.marked])
        )

    def fit(self, x: Tensor) -> None:
        present = [column[~column.isnan()].cpu() for column in x.unbind(1)]
        scales = [centre_and_spread(present[i], self.way) for i in self.columns]
        if scales:
            centre, spread = torch.tensor(scales, dtype=torch.float64).unbind(1)
            self.centre.copy_(centre)
            self.spread.copy_(spread)
            self.rate.copy_(factor(spread))
        if self.way == RANK_GAUSS and scales:
            pairs = [knots_of(present[i]) for i in self.columns]
            self.knots.copy_(torch.stack([x for x, _ in pairs]))
            self.scores.copy_(torch.stack([z for _, z in pairs]))
        fills = [quantiles(v, 0.5)[0] if i in self.columns else _mode(v) for i, v in enumerate(present)]
        self.fill.copy_(torch.tensor(fills))
        sizes = torch.tensor([len(f.words) for f in self.features])
        self.alive.copy_(sizes[self.asked.cpu()] > 1)
        if self.missing == "keep":
            seen, elements = self.seen(x), self._elements(x)
            total = torch.where(seen, elements, torch.zeros_like(elements)).double().sum(0)
            self.average.copy_(total / seen.sum(0).clamp_min(1))

    def forward(self, x: Tensor) -> Tensor:
        elements = self.exact(x)
        if self.way not in ("minmax", RANK_GAUSS):
            return elements
        numbers, others = elements.split([len(self.numeric), self.size - len(self.numeric)], 1)
        bounded = capped(numbers, self.knots) if self.way == RANK_GAUSS else numbers.clamp(0, 1)
        return torch.cat([bounded, others], 1) if others.shape[1] else bounded

    def exact(self, x: Tensor) -> Tensor:
        elements = self._elements(x)
        return torch.where(self.seen(x), elements, self.average.to(elements.dtype)) if self.missing == "keep" else elements

    def seen(self, x: Tensor) -> Tensor:
        """Return false for every element that stems from a missing cell, its mark too."""
        there = ~x.isnan()
        if self.size == len(self.numeric) == len(self.features):
            return there
        return torch.cat([there.index_select(1, at) for at in (self.numeric, self.asked, self.marked)], 1)

    def values(self, x: Tensor) -> Tensor:
        """Return false for marks, and for every element that stems from a missing cell."""
        seen = self.seen(x)
        seen[:, self.size - len(self.marked) :] = False
        return seen

    def beyond(self, x: Tensor) -> Tensor:
        """Return which values (B, columns) lie outside of the training range of a minmax; False for any other way."""
        outside = torch.zeros_like(x, dtype=torch.bool)
        if self.way == "minmax" and len(self.numeric):
            own = x[:, self.numeric]
            slack = 1e-6 * self.spread.abs()
            outside[:, self.numeric] = (own < self.centre - slack) | (own > self.centre + self.spread + slack)
        return outside

    def _elements(self, x: Tensor) -> Tensor:
        gone = x.isnan()
        own = torch.where(gone, self.fill, x)
        if self.way == COUNTS:
            return own.log1p()
        plain = len(self.numeric) == len(self.features)
        values = own if plain else own.index_select(1, self.numeric)
        bends = self.way == RANK_GAUSS and len(self.numeric) > 0
        numbers = bent(values, self.knots, self.scores) if bends else (values - self.centre) * self.rate
        if self.size == len(self.numeric):
            return numbers
        hot = (own.index_select(1, self.asked) == self.word).to(numbers.dtype) * self.alive
        return torch.cat([numbers, hot, gone.index_select(1, self.marked).to(numbers.dtype)], 1)

    def target(self, x: Tensor) -> Tensor:
        return x.double().expm1().round().to(x.dtype) if self.way == COUNTS else x

    def refuse(self, x: Tensor) -> tuple[int, int, str] | None:
        if self.way != COUNTS:
            return None
        wrong = ~(x >= 0) | (x != x.round())
        if not bool(wrong.any()):
            return None
        row, column = wrong.nonzero()[0].tolist()
        value = float(x[row, column])
        why = "no value" if value != value else f"{value:g}, negative" if value < 0 else f"{value:g}, not whole"
        return row, column, f"{why}, and dataset.prepare=counts reads counts: whole numbers from 0 on"

    def inverse(self, x: Tensor) -> Tensor:
        if self.way == COUNTS:
            return x.clamp_min(0).double().expm1().to(x.dtype)
        numbers, hot, _ = x.split([len(self.numeric), len(self.asked), len(self.marked)], 1)
        own = x.new_zeros(x.shape[0], len(self.features))
        bends = self.way == RANK_GAUSS and len(self.numeric) > 0
        own[:, self.numeric] = bent(numbers, self.scores, self.knots) if bends else self.centre + numbers * self.spread
        sizes = [len(f.words) for f in self.features if f.kind == "category"]
        columns = [i for i, f in enumerate(self.features) if f.kind == "category"]
        for i, size, block in zip(columns, sizes, hot.split(sizes, 1) if sizes else (), strict=True):
            best, word = block.max(1)
            own[:, i] = word.to(own.dtype) if size == 1 else torch.where(best > 0, word.to(own.dtype), -1.0)
        return own

    def decided(self, x: Tensor) -> Tensor:
        numbers, hot, marks = x.split([len(self.numeric), len(self.asked), len(self.marked)], 1)
        sizes = [len(f.words) for f in self.features if f.kind == "category"]
        words = [one_hot(block.argmax(1), block.shape[1]).to(x.dtype) for block in hot.split(sizes, 1)] if sizes else []
        return torch.cat([numbers, *words, marks], 1)

    def drawn(self, x: Tensor) -> Tensor:
        own = self.inverse(x)
        for i, feature in enumerate(self.features):
            if feature.kind != "category" and feature.low < feature.high:
                own[:, i] = own[:, i].clamp(feature.low, feature.high)
            if feature.step:
                own[:, i] = (own[:, i].double() / feature.step).round().mul(feature.step).to(own.dtype)
        gone = x[:, self.size - len(self.marked) :] > 0.5
        own[:, self.marked] = own[:, self.marked].masked_fill(gone, torch.nan)
        return own

    def get_extra_state(self) -> Tensor:
        """Return the features as JSON in bytes (uint8)."""
        return as_bytes(self.features)

    def set_extra_state(self, state: Tensor) -> None:
        """Raise AerunError where a checkpoint was trained on other columns than these."""
        then = features_of(state)
        if len(then) != len(self.features):
            raise AerunError(f"the data have changed since training: now {len(self.features)} columns, then {len(then)}.")
        for mine, theirs in zip(self.features, then, strict=True):
            if mine != theirs:
                raise AerunError(f"the data have changed since training: now {_spoken(mine)}, then {_spoken(theirs)}.")


def _spoken(f: Feature) -> str:
    return f"column '{f.name}' ({f.kind}{f' of {len(f.words)} words' if f.words else ''}{', with gaps' if f.missing else ''})"


def _mode(codes: Tensor) -> float:
    """Return the most frequent code, the smallest of equally frequent ones."""
    return float(codes[codes >= 0].long().bincount().argmax())
