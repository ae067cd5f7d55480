"""What all tables share: columns, of which the training rows say how they are prepared."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aerun.compose import option
from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.kept import kept_warnings
from aerun.dataset.base import Dataset
from aerun.dataset.labels import Labels, by_class, by_flag, by_mark, places
from aerun.dataset.normal import decided_rows, normal_rows
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage.array_store import store_rows
from aerun.dataset.storage.mapped import sample_rows
from aerun.dataset.tables.columns import blocks, encode, learn, refuse_missing
from aerun.dataset.tables.decisions import Decision, decisions
from aerun.dataset.tables.grouping import Grouping
from aerun.dataset.tables.partition import Cut, refuse_unused_split
from aerun.dataset.tables.query import Query, is_query
from aerun.dataset.tables.remarks import log_warnings
from aerun.dataset.telling import SIDES, of_classes
from aerun.formats.copied import identity
from aerun.formats.found import sized
from aerun.formats.frame import Column, Frame
from aerun.preparation.columns import COUNTS, Columns
from aerun.preparation.feature import Feature
from aerun.preparation.rank_gauss import RANK_GAUSS
from aerun.preparation.statistics import WAYS

log = logging.getLogger("aerun")
_PIECE = 4_000_000  # cells that are looked at at a time


@dataclass(frozen=True)
class Roles:
    """Columns that are no features: the label, the mark of anomalies, the weight; `others` have been used otherwise."""

    label: str | None = None
    anomaly: str | None = None
    weights: str | None = None
    others: tuple[str, ...] = ()
    categorical: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TableFacts:
    """A table that has been read: its features, its splits as numbers of rows, the names of its classes."""

    frame: Frame
    features: tuple[Feature, ...]
    rows: Data
    classes: tuple[str, ...]


class Tabular(Dataset):
    """Rows of numbers, categories and dates. The file is read once, when its facts are first asked for.

    prepare: how numbers and dates are scaled (standardize, robust, minmax, none); missing: what becomes of cells without a
    value (fill, keep; refuse: AerunError): see `Columns`. Classes are named as the label column does. A column that marks
    anomalies says what is normal, or a `Query` in `normal`: classes are then normal and
    anomaly. The columns that it asks are no features, as they would tell the model.
    """

    roles: Roles
    cut: Cut
    key: str | None = None  # the column that tells rows apart
    selects = True

    missing = "fill"
    show_missing = False
    grouping = Grouping()  # of words
    cache: str | None = None  # folder for samples that do not fit into memory

    def __init__(self, *, prepare: str) -> None:
        self.prepare = one_of("dataset.prepare", prepare, (*WAYS, RANK_GAUSS, COUNTS))

    query: Query | None = None

    def refuse_protocol(self) -> None:
        self.normal = by_mark(self.roles.anomaly, self.roles.label, self.normal, self.contamination)
        if isinstance(self.normal, str) and is_query(self.normal):
            self.query, self.normal = Query(self.normal), "normal"

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.known.classes

    @abstractmethod
    def frame(self) -> Frame:
        """Read the table."""

    @cached_property
    def known(self) -> TableFacts:
        """Return the table and what its training rows say. AerunError for what is wrong with the file."""
        with kept_warnings(self.notes):
            return self._known()

    def _known(self) -> TableFacts:
        frame = self.frame()
        labels = self._labels(frame)
        y = None if labels is None else labels.codes
        parts = [torch.from_numpy(rows) for rows in self.cut(frame)]
        rows = decided_rows(Data(*(Split(part, None if y is None else y[part]) for part in parts)), option(self))
        if left := sum(map(len, parts)) - len(rows.train) - len(rows.val) - len(rows.test):
            self.counts["undecided"] = left
        classes = () if labels is None else labels.names
        normal = None if self.normal is None else places(self.normal, classes)
        rows = normal_rows(rows, classes, normal, self.contamination)
        roles = self.roles
        asked = [n for n in (roles.label, roles.anomaly, roles.weights, *roles.others) if n is not None]
        used = {
            *(frame.name("dataset", n) for n in asked),
            *(self.query.columns if self.query else ()),
            *self._told_names(frame),
        }
        names = [name for name in frame.columns if name not in used]
        if self.cut.split is None and len(frame.files) == 1:
            refuse_unused_split(frame, [n for n in names if n not in self.roles.categorical])
        if not names:
            told = f": dataset.condition tells {', '.join(self._told_names(frame))}" if self.telling is not None else ""
            raise AerunError(f"{frame.file}: no column is left to train on{told}.")
        categorical = {frame.name("dataset.categorical", n) for n in self.roles.categorical}
        features = learn(frame, names, categorical, rows.train.x.numpy(), self.grouping)
        if self.prepare == COUNTS:
            _refuse_uncounted(frame, features)
        if self.missing == "refuse":
            refuse_missing(frame, names)
        return TableFacts(frame, features, rows, classes)

    def _told_names(self, frame: Frame) -> list[str]:
        """Return the columns that the model is told beforehand, and which are therefore no features."""
        if self.telling is None or self.tells_anomalies:
            return []
        if self.telling.columns:
            return [frame.name("dataset.condition", n) for n in self.telling.columns]
        if self.roles.label is None:
            raise AerunError(
                "dataset.condition=label: dataset.label names no column. A column is told by dataset.condition=[COLUMN]."
            )
        return [frame.name("dataset.label", self.roles.label)]

    @cached_property
    def told(self) -> tuple[Feature, ...]:
        if self.tells_anomalies:
            return of_classes(SIDES, "table")
        frame = self.known.frame
        categorical = {frame.name("dataset.categorical", n) for n in self.roles.categorical}
        if self.telling is not None and not self.telling.columns:
            categorical |= {*self._told_names(frame)}
        return learn(frame, self._told_names(frame), categorical, self.known.rows.train.x.numpy())

    def _tells_label(self) -> bool:
        frame, label = self.known.frame, self.roles.label
        return label is not None and frame.name("dataset.label", label) in self._told_names(frame)

    def told_values(self, data: Data) -> list[Tensor]:
        if self.tells_anomalies:
            return super().told_values(data)
        rows = self.known.rows
        return [encode(self.known.frame, self.told, part.x.numpy()) for part in (rows.train, rows.val, rows.test)]

    def decisions(self) -> list[Decision]:
        """Return what was decided about each column of the file, one after the other."""
        frame, roles = self.known.frame, self.roles
        named = {"label": roles.label, "anomaly": roles.anomaly, "weights": roles.weights}
        used = {frame.name("dataset", n): f"dataset.{k}={n}" for k, n in named.items() if n is not None}
        used |= {frame.name("dataset", n): f"splits the rows: {n}" for n in roles.others if n != self.key}
        if self.key is not None:
            used[frame.name("dataset", self.key)] = f"dataset.id={self.key}"
        used |= _query_columns(self.query)
        used |= dict.fromkeys(self._told_names(frame), "told to the model: dataset.condition")
        categorical = frozenset(frame.name("dataset.categorical", n) for n in roles.categorical)
        return decisions(frame, {f.name: f for f in self.known.features}, used, categorical)

    def files_read(self) -> list[tuple[str, int]]:
        frame = self.known.frame
        return sized([Path(p) for p, _ in frame.parts or frame.files if Path(p).exists()])

    def stored_reading(self) -> dict[str, Any]:
        """Return how the features' columns were read, and the range of numbers and dates in the training rows, in own units."""
        frame, features = self.known.frame, (*self.known.features, *self.told)
        if frame.reading is None:
            return {}
        rows = self.known.rows.train.x.numpy()
        formats = {f.name: "text" if f.kind == "category" else frame.reading.formats[f.name] for f in features}
        ranges = {f.name: _range(frame.columns[f.name], rows) for f in features if f.kind != "category"}
        return {**replace(frame.reading, formats=formats).stored(), "ranges": ranges}

    def _labels(self, frame: Frame) -> Labels | None:
        if self.roles.anomaly is not None:
            return by_flag(frame, self.roles.anomaly)
        if self.query is not None:
            return self.query(frame)
        if self.roles.label is None:
            return None
        return by_class(frame, self.roles.label)

    def facts(self) -> Facts:
        low, high = (0.0, 1.0) if self.prepare == "minmax" else (None, None)
        preparation = self.preparation()
        return Facts(
            shape=(preparation.size,),
            kind="table",
            unit=1.0,
            low=low,
            high=high,
            classes=len(self.known.classes) or None,
            prepared_from=(len(self.known.features),),
            columns=preparation.layout,
        )

    def preparation(self) -> Columns:
        missing = "keep" if self.missing == "keep" else "fill"
        return Columns(features=self.known.features, way=self.prepare, missing=missing, shown=self.show_missing)

    def read(self) -> Data:
        frame, features, rows = self.known.frame, self.known.features, self.known.rows
        w, parts = self._weights(frame), (rows.train, rows.val, rows.test)
        stored = self._on_disk(frame, [part.x for part in parts]) or [self._stored(frame, part.x) for part in parts]
        if self.prepare == COUNTS:
            self._refuse_uncountable(stored, parts)
        data = Data(*(Split(x, p.y, None if w is None else w[p.x]) for x, p in zip(stored, parts, strict=True)))
        looked_at = Data(*(Split(sample_rows(x), None) for x in stored))
        log_warnings(option(self), looked_at, features, self.prepare, self.missing)
        return data

    def _refuse_uncountable(self, stored: Sequence[Tensor], parts: Sequence[Split]) -> None:
        """Raise AerunError for a cell that is no count, by its place in the file, and tell of rows without any."""
        frame, empty = self.known.frame, list[int]()
        name = self.known.features[0].name
        for x, part in zip(stored, parts, strict=True):
            start = 0
            for piece in x.split(max(1, _PIECE // max(1, x.shape[1]))):
                if found := self.preparation().refuse(piece):
                    row, column, why = found
                    place = frame.where(self.known.features[column].name, int(part.x[start + row]))
                    raise AerunError(f"{place}: {why}.")
                empty += part.x[start : start + len(piece)][(piece == 0).all(1)].tolist()
                start += len(piece)
        if empty:
            place = frame.where(name, min(empty))
            log.warning("%s: no count above 0 in this row (%d such rows).", place, len(empty))

    def _on_disk(self, frame: Frame, parts: Sequence[Tensor]) -> list[Tensor]:
        """Return the samples in a file, where the columns themselves did not fit into memory; else nothing."""
        if not any(column.mapped for column in frame.columns.values()):
            return []
        if self.prepare == "minmax":
            raise AerunError("dataset.prepare=minmax: needs all samples in memory; raise dataset.memory, or standardize.")
        about = [identity(Path(name)) for name, _ in frame.parts or frame.files]
        words = "%s: %d rows are more than dataset.memory allows: they are read from disk as they are needed."
        log.warning(words, frame.file, len(frame))
        make = partial(blocks, frame, self.known.features)
        return store_rows("table", (about, self.known.features, frame.reading), len(frame), make, parts, self.cache)

    def _weights(self, frame: Frame) -> Tensor | None:
        """Return the weights of all rows, NaN where one is missing; AerunError for a column that holds no numbers."""
        if self.roles.weights is None:
            return None
        column = frame.column("dataset.weights", self.roles.weights)
        if column.kind != "number":
            raise AerunError(f"{frame.file}: column '{self.roles.weights}' holds no numbers, which dataset.weights asks for.")
        return torch.from_numpy(column.values).float()

    def _stored(self, frame: Frame, rows: Tensor) -> Tensor:
        return encode(frame, self.known.features, rows.numpy())


def _refuse_uncounted(frame: Frame, features: Sequence[Feature]) -> None:
    """Raise AerunError for columns of a table of counts that hold something else, or lack values."""
    for feature in features:
        gone = np.isnan(frame.columns[feature.name].values)
        if gone.any():
            where = frame.where(feature.name, int(gone.argmax()))
            raise AerunError(f"{where}: no value, and dataset.prepare=counts reads counts: whole numbers from 0 on.")
        if feature.kind != "number":
            kind = {"category": "words", "date": "dates"}[feature.kind]
            raise AerunError(
                f"{frame.file}: column '{feature.name}' holds {kind}, and dataset.prepare=counts reads counts alone: "
                f"dataset.drop=[{feature.name}], dataset.id, dataset.label or dataset.condition=[{feature.name}]."
            )


def _query_columns(query: Query | None) -> dict[str, str]:
    return {} if query is None else dict.fromkeys(query.columns, "asked by dataset.normal")


def _range(column: Column, rows: Any) -> list[float]:
    values = column.values[rows]
    column.forget()
    return [float(np.nanmin(values)), float(np.nanmax(values))]


def bundled(name: str, table: Any) -> Frame:
    """Return a table of scikit-learn's, its classes by name in the column `class`."""
    values = np.asarray(table.data, dtype=np.float64).T
    columns = {str(n): Column("number", v) for n, v in zip(table.feature_names, values, strict=True)}
    classes = Column("text", table.target.astype(np.float64), tuple(str(n) for n in table.target_names))
    return Frame({**columns, "class": classes}, ((name, len(table.target)),))
