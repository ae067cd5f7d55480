"""What new rows of a table hold that training rows do not: missing cells, unknown words, values out of range."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.facts import real_steps
from aerun.core.memory import rows_that_fit
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data
from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.columns import COUNTS, Columns
from aerun.preparation.feature import Feature
from aerun.preparation.scale import Scale

log = logging.getLogger("aerun")

Counts = Mapping[str, Mapping[str, int]]  # of cells, by kind and column

KINDS = ("missing", "unseen", "outside")
_ELEMENTS = 250_000  # looked at in one piece: of each, three counts of 64 bits
_SHOWN = 5  # columns in one line
_SLACK = 1e-6  # of a range: what 32 bits may round


@dataclass(frozen=True)
class Notes:
    """cells: for each of `KINDS`, how many (n, columns) are such; of rows 0 or 1, of series over their steps.

    blank: how many rows hold nothing that could be judged: no value at all, or of counts none above 0.
    """

    names: tuple[str, ...]
    cells: Mapping[str, NDArray[np.int64]]
    blank: int = 0

    def rows(self) -> dict[str, NDArray[np.int64]]:
        """Return how many cells of each row are such, (n,) for each kind."""
        return {kind: cells.sum(1) for kind, cells in self.cells.items()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many cells of each column are such."""
        return {k: {n: int(c) for n, c in zip(self.names, cells.sum(0), strict=True) if c} for k, cells in self.cells.items()}


@dataclass(frozen=True)
class Rule:
    """What a run does with such cells, one rule for all its verbs.

    preparation: of its rows, or of the steps of its series. missing: the setting `dataset.missing`; cut: no cell is. ranges:
    smallest and largest value of columns in training, in own units, where the run wrote them down. features: columns.
    """

    preparation: Columns | Scale | Unchanged
    missing: str
    ranges: Mapping[str, Sequence[float]]
    features: tuple[Feature, ...]

    def notes(self, stored: Tensor) -> Notes:
        """Return what is to be said of stored rows (n, columns), or of series (n, T, columns).

        Raises AerunError for a missing cell where the run refuses them.
        """
        if getattr(self.preparation, "timed", False):  # the time since the step before is no column
            stored = stored[..., : len(self.features)]
        if stored.ndim == 3:
            steps = self.notes(stored.flatten(0, 1))
            cells = {kind: c.reshape(*stored.shape) for kind, c in steps.cells.items()}
            if isinstance(self.preparation, Scale) and self.preparation.ragged:  # nothing is missing behind the last step
                cells["missing"] = cells["missing"] * real_steps(stored).numpy()[..., None]
            return Notes(steps.names, {kind: c.sum(1) for kind, c in cells.items()})
        features = self.features
        gone = stored.isnan() if self.missing != "cut" else torch.zeros_like(stored, dtype=torch.bool)
        if self.missing == "refuse" and bool(gone.any()):
            row, column = (int(i) for i in gone.nonzero()[0])
            name = features[column].name
            raise AerunError(f"row {row + 1}: column '{name}' has no value, and this run has dataset.missing=refuse.")
        unseen = torch.stack([_unknown(f, stored[:, i]) for i, f in enumerate(features)], 1)
        outside = torch.stack([self._outside(i, f, stored[:, i]) for i, f in enumerate(features)], 1)
        if not self.ranges and isinstance(self.preparation, Columns):
            outside = self.preparation.beyond(stored.to(self.preparation.centre.device)).cpu()
        cells = dict(zip(KINDS, (c.long().numpy() for c in (gone, unseen, outside)), strict=True))
        nothing = gone | (stored == 0) if getattr(self.preparation, "way", "") == COUNTS else gone
        return Notes(tuple(f.name for f in features), cells, int(nothing.all(1).sum()))

    def _outside(self, place: int, feature: Feature, values: Tensor) -> Tensor:
        if feature.name not in self.ranges:
            return torch.zeros(len(values), dtype=torch.bool)
        low, high = (float(v) - feature.origin for v in self.ranges[feature.name])
        slack = _SLACK * max(abs(low), abs(high), high - low)
        return (values < low - slack) | (values > high + slack)

    @property
    def counts_outside(self) -> bool:
        """Return whether it is known which values lie outside of the training range."""
        way = getattr(self.preparation, "way", "none")
        return bool(self.ranges) or (isinstance(self.preparation, Columns) and way == "minmax")

    def line(self, counts: Counts, filled: bool = False) -> str:
        """Return what was counted, and what was done with it, in one line; nothing where there is nothing to say.

        filled: by the model, as `aerun inpaint` does.
        """
        way = getattr(self.preparation, "way", "none")
        median = "read as the median or most frequent word of training" if self.missing == "fill" else "read as training means"
        median = "read as the last value before" if getattr(self.preparation, "carries", False) else median
        clipped = "clipped for the encoder, not for the score" if way == "minmax" else "used as they are"
        means = {
            "missing": ("missing cells", "filled in by the model" if filled else f"{median}; no part of scores"),
            "unseen": ("words that training does not have", "read as none of those known"),
            "outside": ("values outside of the training range", clipped),
        }
        parts = [f"{means[k][0]}: {sum(c.values()):,} ({_named(c)}), {means[k][1]}" for k, c in counts.items() if c]
        if not self.counts_outside and any(f.name != f"f{i}" for i, f in enumerate(self.features, 1)):
            parts.append("values outside of the training range: not counted, as this older run wrote no range down")
        return f"{'; '.join(parts)}." if parts else ""


def rule_of(preparation: Any, settings: Mapping[str, Any], stored: Mapping[str, Any]) -> Rule | None:
    """Return the rule of a run whose samples are rows of columns, or series of known ranges or that may lack values, else None.

    What stands for no value in other series is behind their last step, and no missing cell. Raises AerunError for damaged
    ranges.
    """
    gaps = isinstance(preparation, Columns) or (isinstance(preparation, Scale) and preparation.missing is not None)
    series = isinstance(preparation, Scale | Unchanged) and (gaps or "ranges" in stored or bool(stored.get("features")))
    if not series and not isinstance(preparation, Columns):
        return None
    features = preparation.features
    if series:
        own = preparation.shape[-1] if isinstance(preparation, Scale) else 0
        names = stored.get("features") or [f"f{i}" for i in range(1, own + 1)]
        features = tuple(Feature(str(name), "number") for name in names)
    ranges = stored.get("ranges", {})
    if not isinstance(ranges, Mapping) or not all(
        isinstance(r, list) and len(r) == 2 and all(isinstance(v, int | float) for v in r) for r in ranges.values()
    ):
        raise AerunError("facts.json: damaged: what it says of the ranges of columns.")
    return Rule(preparation, str(settings.get("missing", "fill")) if gaps else "cut", ranges, features)


def cells_of(dataset: Dataset, preparation: Preparation, data: Data) -> dict[str, int]:
    """Return what results.json says of the cells of validation and test rows, as `cells/SPLIT/KIND`; empty of other samples."""
    missing = getattr(preparation, "missing", "fill")
    rule = rule_of(preparation, {"missing": missing}, dataset.stored_reading())
    if rule is None:
        return {}
    totals: dict[str, int] = {}
    own = dataset.own_samples(data)
    for name, split in (("val", own.val), ("test", own.test)):
        rows = rows_that_fit(max(1, split.x[:1].numel()), _ELEMENTS)
        counts = together(rule.notes(part).counts() for part in split.x.split(rows))
        totals |= {f"cells/{name}/{kind}": sum(by_column.values()) for kind, by_column in counts.items()}
    return totals


def together(all_counts: Iterable[Counts]) -> dict[str, dict[str, int]]:
    """Return counts of several pieces as one."""
    totals: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for counts in all_counts:
        for kind, by_column in counts.items():
            for name, count in by_column.items():
                totals[kind][name] = totals[kind].get(name, 0) + count
    return totals


def _unknown(feature: Feature, values: Tensor) -> Tensor:
    return values < 0 if feature.kind == "category" else torch.zeros(len(values), dtype=torch.bool)


def _named(counts: Mapping[str, int]) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(counts) - _SHOWN} more columns" if len(counts) > _SHOWN else "")
