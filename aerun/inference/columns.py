"""Tables by the names of their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError, nearest
from aerun.dataset.tables.columns import encode
from aerun.dataset.tables.names import names_in
from aerun.formats.binary_tables import columns_in
from aerun.formats.frame import Frame
from aerun.formats.reading import Reading, reading_from
from aerun.formats.tables import from_columns
from aerun.inference.travelling import columns_beside
from aerun.preparation.base import Preparation
from aerun.preparation.feature import Feature

_HERE = "columns given"
_START = datetime(1970, 1, 1, tzinfo=UTC)
FORMATS = {"category": "text", "number": "number", "date": "date"}


def reading_for(settings: Mapping[str, Any], stored: Mapping[str, Any], features: Sequence[Feature]) -> Reading:
    """Return how a run's verbs read tables: as the run itself read its own.

    settings: of its data set. stored: what it wrote down of its reading; of older runs, which did not, it follows from the
    features. Columns that are no features are passed over, or only carried along. AerunError for a stored reading that is
    damaged.
    """
    base = Reading(
        str(settings.get("delimiter", "auto")),
        str(settings.get("header", "auto")).lower(),
        str(settings.get("encoding", "utf-8")),
        drop=frozenset(names_in("dataset.drop", settings.get("drop") or [])),
        loose=True,
        numeric=None,
        decimal="." if features else "auto",
        dates=str(settings.get("dates", "auto")),
        formats={f.name: FORMATS[f.kind] for f in features},
        carried=frozenset(columns_beside(settings)) if features else frozenset(),
    )
    return reading_from(stored, base) if stored.keys() - {"ranges"} and features else base


def frame_of(x: Any, reading: Reading) -> Frame:
    """Return a mapping, or a data frame, of columns by name as a table.

    AerunError where they are of different lengths, or empty.
    """
    columns, reading = columns_in(x), replace(reading, carried=frozenset())
    lengths = {len(c) for c in columns.values()}
    if len(lengths) != 1 or not lengths - {0}:
        raise AerunError(f"{_HERE}: of lengths {sorted(lengths) or 'none'}; all columns of a table are of one length above 0.")
    return from_columns(columns, _HERE, lengths.pop(), reading)


def stored_rows(frame: Frame, features: Sequence[Feature]) -> Tensor:
    """Return all rows as samples (n, columns); other columns are passed over. AerunError for a column that is not there."""
    for feature in features:
        if feature.name not in frame.columns:
            raise AerunError(
                f"{frame.file}: has no column '{feature.name}'{nearest(feature.name, frame.columns)}, which this run reads."
            )
    return encode(frame, features, np.arange(len(frame)))


class Rows(dict[str, Any]):
    """Stored rows (n, columns) as columns by name, which keeps how they are stored, and what is told of them beforehand."""

    def __init__(
        self, stored: NDArray[np.float32], features: Sequence[Feature], told: NDArray[np.float32] | None = None
    ) -> None:
        super().__init__(told_columns(stored, features))
        self.stored, self.features, self.told = stored, features, told

    @classmethod
    def of(cls, parts: Sequence["Rows"]) -> "Rows":
        """Return several, one behind the other."""
        told = [p.told for p in parts if p.told is not None]
        return cls(np.concatenate([p.stored for p in parts]), parts[0].features, np.concatenate(told) if told else None)


def told_columns(own: NDArray[Any], features: Sequence[Feature], drawn: bool = False) -> dict[str, NDArray[Any]]:
    """Return stored rows (n, columns) as columns by name: numbers, words, and dates in ISO 8601; an unknown word is empty.

    drawn: whole numbers are written as such where every cell of a column has one.
    """
    columns = {f.name: _told(own[:, i], f) for i, f in enumerate(features)}
    whole = [f.name for f in features if drawn and f.kind == "number" and f.step and f.step % 1 == 0]
    return columns | {n: columns[n].astype(np.int64) for n in whole if not np.isnan(columns[n]).any()}


def _told(values: NDArray[Any], feature: Feature) -> NDArray[Any]:
    if feature.kind == "number":
        return values.astype(np.float32)
    if feature.kind == "category":
        own = [""] * feature.hash if feature.hash else [*feature.words[:-1], ""] if feature.other else feature.words
        words = np.array([*own, ""])
        known = values >= 0  # neither an unknown word (-1) nor a missing one (NaN)
        return words[np.where(known, values, len(feature.words)).astype(np.int64)]
    return np.array(["" if v != v else _moment(float(v) + feature.origin, feature.days) for v in values])


def _moment(seconds: float, days: bool) -> str:
    """Return seconds since 1970 as a moment in ISO 8601, or as the nearest day where the column is of days."""
    moment = _START + timedelta(seconds=round(seconds), hours=12 if days else 0)
    return moment.date().isoformat() if days else moment.isoformat()


def of_columns(x: Tensor, preparation: Preparation) -> Tensor:
    """Return sums over the elements (n, D) that stem from each column, (n, columns)."""
    owners = preparation.owners
    return x if owners is None else x.new_zeros(len(x), len(preparation.features)).index_add_(1, owners.to(x.device), x)


def marks_of(x: Tensor, features: Sequence[Feature]) -> Tensor:
    """Return what `of_columns` sums of marks alone, (n, columns): 0 for columns in which training misses no cell."""
    owner = [i for i, f in enumerate(features) if f.missing]
    marks = x[:, x.shape[1] - len(owner) :]
    return x.new_zeros(len(x), len(features)).index_add_(1, torch.tensor(owner, device=x.device, dtype=torch.long), marks)
