"""What the training rows say about the columns of a table, and all rows as samples."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.formats.column import is_number, seconds
from aerun.formats.frame import Column, Frame, Values, moved
from aerun.preparation.feature import Feature

MOST_WORDS = 1000  # of one column: each becomes an element of x
Rows = NDArray[np.int64]


def learn(frame: Frame, names: Sequence[str], categorical: Collection[str], rows: Rows) -> tuple[Feature, ...]:
    """Features of the columns `names`, from the rows `rows` alone.

    Text whose words are all dates in ISO 8601 is a date, other text and the columns of `categorical` are categories.
    AerunError for a column without any value in these rows, and for text of too many different words.
    """
    return tuple(_feature(frame, name, frame.columns[name], name in categorical, rows) for name in names)


def _feature(frame: Frame, name: str, column: Column, category: bool, rows: Rows) -> Feature:
    values = column.values[rows]
    missing = np.isnan(values)
    if missing.all():
        raise AerunError(f"{frame.file}: column '{name}' has no value in any training row: dataset.drop=[{name}].")
    if category or column.kind == "text":
        column = column.as_text()
        words = sorted({column.words[int(v)] for v in column.values[rows][~missing]})
        if category or any(seconds(w) is None for w in words):
            _refuse_many(frame.file, name, words, int((~missing).sum()), category)
            return Feature(name, "category", tuple(words), missing=bool(missing.any()))
        return Feature(name, "date", origin=min(s for w in words if (s := seconds(w)) is not None), missing=bool(missing.any()))
    origin = float(values[~missing].min()) if column.kind == "date" else 0.0
    return Feature(name, column.kind, origin=origin, missing=bool(missing.any()))


def _refuse_many(file: str, name: str, words: list[str], rows: int, category: bool) -> None:
    """AerunError for text that names or describes rather than classifies."""
    unique = not category and len(words) > max(20, rows // 2)
    if len(words) <= MOST_WORDS and not unique:
        return
    comma = all(is_number(w.replace(",", ".", 1)) for w in words)
    hint = " Numbers with a decimal comma are not read: write 1.5 for 1,5." if comma else ""
    choice = "" if category or len(words) > MOST_WORDS else f", dataset.categorical=[{name}] keeps it"
    raise AerunError(
        f"{file}: column '{name}' holds {len(words)} different words in {rows} rows, such as '{words[0]}': not classes. "
        f"dataset.drop=[{name}] leaves it out{choice}.{hint}"
    )


def encode(frame: Frame, features: Sequence[Feature], rows: Rows) -> Tensor:
    """The rows as samples (n, columns), float32: see `Feature` for what is stored."""
    found = np.empty((len(rows), len(features)), dtype=np.float32)
    for i, feature in enumerate(features):
        found[:, i] = own_values(frame, feature)[rows]
    return torch.from_numpy(found)


def own_values(frame: Frame, feature: Feature) -> Values:
    """A column as its feature stores it, of all rows, float64. AerunError where its kind is another one."""
    column = frame.columns[feature.name]
    if feature.kind == "category":
        column, known = column.as_text(), {w: k for k, w in enumerate(feature.words)}
        return moved(column.values, [known.get(w, -1) for w in column.words])
    if feature.kind == "date" and column.kind == "text":
        return _seconds(frame, feature.name, column) - feature.origin
    if column.kind != feature.kind and not np.isnan(column.values).all():
        row = int((~np.isnan(column.values)).argmax())
        raise AerunError(f"{frame.where(feature.name, row)}: a {column.kind}, where training rows hold {feature.kind}s.")
    return column.values - feature.origin


def _seconds(frame: Frame, name: str, column: Column) -> Values:
    """Text that must be dates, in seconds since 1970."""
    found = [seconds(w) for w in column.words]
    for place, (word, second) in enumerate(zip(column.words, found, strict=True)):
        if second is None:
            row = int((column.values == place).argmax())
            raise AerunError(f"{frame.where(name, row)}: '{word}' is not a date in ISO 8601, as the training rows are.")
    table = np.array([*(s for s in found if s is not None), np.nan])
    return table[np.where(np.isnan(column.values), len(found), column.values).astype(np.int64)]
