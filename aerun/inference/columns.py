"""Tables by the names of their columns."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError, nearest
from aerun.dataset.tables.columns import encode
from aerun.formats.column import MISSING
from aerun.formats.frame import Column, Frame
from aerun.preparation.feature import Feature

_HERE = "columns given"
_START = datetime(1970, 1, 1, tzinfo=UTC)


def frame_of(x: Any) -> Frame:
    """A mapping, or a data frame, of columns by name as a table. AerunError where they are of different lengths, or empty."""
    names = list(x.keys()) if isinstance(x, Mapping) else list(x.columns)
    columns = {str(name): _column(str(name), x[name]) for name in names}
    lengths = {len(c.values) for c in columns.values()}
    if len(lengths) != 1 or not lengths - {0}:
        raise AerunError(f"{_HERE}: of lengths {sorted(lengths) or 'none'}; all columns of a table are of one length above 0.")
    return Frame(columns, ((_HERE, lengths.pop()),))


def _column(name: str, values: Any) -> Column:
    array = np.asarray(values)
    if array.ndim != 1:
        raise AerunError(f"{_HERE}: column '{name}' is of shape {array.shape}; a column is (n,).")
    if array.dtype.kind in "biuf":
        return Column("number", array.astype(np.float64))
    if array.dtype.kind == "M":
        gone = np.isnat(array)
        return Column("date", np.where(gone, np.nan, array.astype("datetime64[us]").astype(np.int64) / 1e6))
    words = [_word(v) for v in array.tolist()]
    numbers = [v for v in array.tolist() if isinstance(v, int | float) and not isinstance(v, bool)]
    if all(w is None for w in words) or len(numbers) == sum(w is not None for w in words):
        return Column("number", np.array([np.nan if w is None else float(w) for w in words]))
    places = {w: float(i) for i, w in enumerate(dict.fromkeys(w for w in words if w is not None))}
    return Column("text", np.array([np.nan if w is None else places[w] for w in words]), tuple(places))


def _word(value: Any) -> str | None:
    if value is None or value != value or (isinstance(value, str) and value.strip().lower() in MISSING):
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value).strip()


def stored_rows(frame: Frame, features: Sequence[Feature]) -> Tensor:
    """All rows as samples (n, columns); other columns are passed over. AerunError for a column that is not there."""
    for feature in features:
        if feature.name not in frame.columns:
            raise AerunError(
                f"{frame.file}: has no column '{feature.name}'{nearest(feature.name, frame.columns)}, which this run reads."
            )
    return encode(frame, features, np.arange(len(frame)))


class Rows(dict[str, Any]):
    """Stored rows (n, columns) as columns by name, which keeps how they are stored."""

    def __init__(self, stored: NDArray[np.float32], features: Sequence[Feature]) -> None:
        super().__init__(told_columns(stored, features))
        self.stored, self.features = stored, features

    @classmethod
    def of(cls, parts: Sequence["Rows"]) -> "Rows":
        """Several, one behind the other."""
        return cls(np.concatenate([p.stored for p in parts]), parts[0].features)


def told_columns(own: NDArray[Any], features: Sequence[Feature]) -> dict[str, NDArray[Any]]:
    """Stored rows (n, columns) as columns by name: numbers, words, and dates in ISO 8601; an unknown word is empty."""
    return {f.name: _told(own[:, i], f) for i, f in enumerate(features)}


def _told(values: NDArray[Any], feature: Feature) -> NDArray[Any]:
    if feature.kind == "number":
        return values.astype(np.float32)
    if feature.kind == "category":
        words = np.array([*feature.words, ""])
        known = values >= 0  # neither an unknown word (-1) nor a missing one (NaN)
        return words[np.where(known, values, len(feature.words)).astype(np.int64)]
    return np.array(
        ["" if v != v else (_START + timedelta(seconds=round(float(v) + feature.origin))).isoformat() for v in values]
    )


def of_columns(x: Tensor, features: Sequence[Feature]) -> Tensor:
    """Sums over the elements (n, D) that stem from each column, (n, columns): numbers | one-hot words | marks."""
    owner = [i for i, f in enumerate(features) if f.kind != "category"]
    owner += [i for i, f in enumerate(features) for _ in f.words]
    owner += [i for i, f in enumerate(features) if f.missing]
    return x.new_zeros(len(x), len(features)).index_add_(1, torch.tensor(owner, device=x.device), x)
