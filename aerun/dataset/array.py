"""An array in a file of the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.kept import kept_warnings
from aerun.core.memory import trim_heap
from aerun.core.paths import path_words
from aerun.dataset.base import Dataset
from aerun.dataset.labels import places
from aerun.dataset.normal import normal_rows
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage import array_samples as samples
from aerun.dataset.storage.array_samples import Source
from aerun.dataset.storage.array_store import store
from aerun.dataset.storage.image_store import gigabytes
from aerun.dataset.storage.mapped import Mapped, sample_rows
from aerun.dataset.storage.scale import image_unit, unit_asked
from aerun.dataset.tables.given import SPLIT, split_column
from aerun.dataset.tables.partition import Cut, Parts
from aerun.dataset.tables.remarks import log_warnings
from aerun.formats.found import sized
from aerun.formats.frame import Frame
from aerun.formats.limits import limits
from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.columns import MISSING, Columns
from aerun.preparation.feature import Feature
from aerun.preparation.norm import NORM, Norm
from aerun.preparation.scale import Scale
from aerun.preparation.statistics import WAYS


@dataclass(frozen=True)
class ArrayFacts:
    """An array that has been read and split.

    gaps: whether it has missing values. unit: the stored value that means 1. spans: the smallest and largest value of each
    split.
    """

    data: Data
    kind: str
    unit: float
    gaps: bool
    classes: tuple[str, ...]
    spans: tuple[tuple[float, float], ...]

    def within(self, split: int) -> bool:
        """Return whether all present values of a split (0, 1, 2) lie in [0, 1] once divided by `unit`."""
        low, high = self.spans[split]
        return low >= 0 and high <= self.unit

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one stored sample."""
        return tuple(self.data.train.x.shape[1:])


class Array(Dataset):
    """Samples (n, D), (n, H, W), (n, C, H, W) or (n, T, F) of an npy, npz, safetensors, h5 or zarr file; never of pickles.

    The samples may be in several files, one behind the other: those of a list, of a pattern or of a folder (names such as train
    and test say the splits), or behind a URL. Labels and weights are then in each of them, or in files of their own.

    kind auto: two axes are a table, four are images, three where their lengths say so, see `kind_of`; channels auto: see
    `channels_last`. Where lengths and names decide nothing, it is an error. Bytes stay bytes, other numbers become 32-bit. A
    mask in the same file (mask, NAME_mask) and netCDF's fill value are missing values. unit: the stored value that means 1;
    auto: of images of whole numbers by their depth, see `image_unit`, else 1. Where the training samples lie within [0, 1]
    behind it, all must.
    prepare auto: standardize for tables, none for others; see `Columns` (tables, which may have missing values), `Scale`, and
    `Norm` (of tables and sequences: norm).
    Sequences may be of varying length, NaN behind the last step. labels: an array of the same file, or a file;
    weights in the objective likewise. The test split is `test_key` of the same file, or `test_path`, or drawn at random.
    memory: GB that the samples may take, null for half of what is free. More are copied once into a file in `cache` (null:
    ~/.cache/aerun) and read from there; a preparation then learns from 16 MB of random training samples, and minmax, which
    needs all, is refused. Files of every kind can be larger than memory, and so can several files together.
    Raises AerunError for files, shapes and values that cannot be used as they are.
    """

    selects = True

    def __init__(
        self,
        *,
        path: str | Sequence[str] | None,
        key: str | None,
        labels: str | Sequence[str] | None,
        weights: str | Sequence[str] | None,
        test_path: str | Sequence[str] | None,
        test_key: str | None,
        test_labels: str | Sequence[str] | None,
        kind: str,
        channels: str,
        unit: float | str,
        val: float,
        test: float,
        missing: str,
        show_missing: bool,
        prepare: str,
        memory: float | None,
        cache: str | None,
    ) -> None:
        if path is None:
            raise AerunError("dataset.path is not set: dataset=array dataset.path=FILE.")
        self.path, self.key, self.labels = path, key, labels
        self.test_path, self.test_key, self.test_labels = test_path, test_key, test_labels
        if test_labels is not None and test_path is None and test_key is None:
            raise AerunError(f"dataset.test_labels={path_words(test_labels)} needs dataset.test_path or dataset.test_key.")
        self.weights = weights
        self.kind = one_of("dataset.kind", kind, ("auto", *samples.KINDS))
        self.channels = one_of("dataset.channels", channels, ("auto", "first", "last"))
        self.prepare = one_of("dataset.prepare", prepare, ("auto", *WAYS, NORM))
        self.missing, self.show_missing = one_of("dataset.missing", missing, MISSING), show_missing
        self.unit = unit_asked(unit)
        self.memory, self.cache = gigabytes(memory), cache
        self.cut = Cut(None, None, None, val, test)

    @cached_property
    def sources(self) -> list[Source]:
        """Return the files of training, and those of the test split where there are some."""
        assert self.path is not None
        own = samples.files_in("dataset.path", self.path)
        first = Source("dataset.path", own, self.key, "dataset.labels", self.labels)
        if self.test_path is None and self.test_key is None:
            return [first]
        tested = own if self.test_path is None else samples.files_in("dataset.test_path", self.test_path)
        name = self.key if self.test_key is None and tested.files[0].suffix != ".npy" else self.test_key
        return [first, Source("dataset.test_path", tested, name, "dataset.test_labels", self.test_labels)]

    @cached_property
    def known(self) -> ArrayFacts:
        """Return the array, read and split."""
        with kept_warnings(self.notes):
            return self._read()

    def _read(self) -> ArrayFacts:
        bounds = None if self.memory is None else limits(self.memory, self.cache)
        arrays, counts, kind = samples.read(self.sources, self.kind, self.channels, bounds)
        sizes = [len(a) for a in arrays]
        parts = self._parts(counts)
        labels = samples.labels(self.sources, sizes)
        rows = Data(*(Split(torch.from_numpy(r), None if labels is None else labels.codes[r]) for r in parts))
        names = () if labels is None else labels.names
        rows = normal_rows(rows, names, None if self.normal is None else places(self.normal, names), self.contamination)
        chosen = (rows.train, rows.val, rows.test)
        paths = [path for s in self.sources for path in s.files.files]
        stored = store(arrays, paths, [part.x for part in chosen], self.memory, self.cache)
        w = samples.weights(self.sources, self.weights, sizes)
        data = Data(*(Split(x, p.y, None if w is None else w[p.x]) for x, p in zip(stored, chosen, strict=True)))
        spanned = [samples.spanned(x) for x in stored]
        spans = tuple((low, high) for _, low, high in spanned)
        unit = self.unit or (self._image_unit(arrays[0].dtype, spans) if kind == "image" else 1.0)
        return ArrayFacts(data, kind, unit, any(bool(gone.any()) for gone, _, _ in spanned), names, spans)

    def _parts(self, counts: Sequence[Sequence[int]]) -> Parts:
        """Return the rows of the three splits: by the names of the files where these say it, else as they are cut."""
        whole = Frame({}, tuple((str(s.path), sum(n)) for s, n in zip(self.sources, counts, strict=True)))
        if len(self.sources) > 1 or not isinstance(self.path, str):
            return self.cut(whole)
        column = split_column(self.sources[0].files.label, self.sources[0].files.names, counts[0])
        return self.cut(whole) if column is None else replace(self.cut, split=SPLIT)(replace(whole, columns={SPLIT: column}))

    def _image_unit(self, dtype: np.dtype[np.generic], spans: tuple[tuple[float, float], ...]) -> float:
        if self.prepare not in ("auto", "none"):
            return 255.0 if dtype == np.uint8 else 1.0
        return image_unit(self.sources[0].path, dtype, min(low for low, _ in spans), max(high for _, high in spans))

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.known.classes

    @property
    def scaling(self) -> str:
        """Return the name of the preparation, with `auto` decided."""
        if self.prepare == "minmax" and isinstance(self.known.data.train.x, Mapped):
            raise AerunError("dataset.prepare=minmax: needs all samples in memory; raise dataset.memory, or standardize.")
        if self.prepare == "auto":
            return "standardize" if self.known.kind == "table" else "none"
        return self.prepare

    def facts(self) -> Facts:
        array, prepared = self.known, self._prepared()
        bounded = self.scaling == "minmax" or (not prepared and array.within(0))
        columns = self._columns() if prepared and self._in_columns else None
        return Facts(
            shape=array.shape if columns is None else (columns.size,),
            kind=array.kind,
            unit=array.unit,
            low=0.0 if bounded else None,
            high=1.0 if bounded else None,
            classes=len(array.classes) or None,
            ragged=array.kind == "sequence" and array.gaps,
            prepared_from=array.shape if prepared else None,
            columns=() if columns is None else columns.layout,
        )

    @property
    def _in_columns(self) -> bool:
        """Return whether what prepares the samples looks at each column by itself."""
        return self.known.kind == "table" and self.scaling != NORM

    def _prepared(self) -> bool:
        """Return whether a preparation stands between samples and model; one fills in the gaps of a table."""
        if self.missing == "keep" and self.known.kind != "table":
            raise AerunError(
                f"dataset.missing=keep: keeps gaps of tables, and {path_words(self.path)} holds samples of kind "
                f"{self.known.kind}. Series with gaps are read by dataset=series."
            )
        if self.scaling == NORM and (self.known.kind == "image" or (self.known.gaps and self.known.kind == "table")):
            what = "images" if self.known.kind == "image" else "cells without a value"
            raise AerunError(
                f"dataset.prepare=norm: one scale for whole samples, and here are {what}. Use standardize or none."
            )
        return self.scaling != "none" or (self.known.kind == "table" and (self.known.gaps or self.missing == "keep"))

    def preparation(self) -> Preparation:
        if not self._prepared():
            return Unchanged()
        if self.scaling == NORM:
            return Norm(shape=self.known.shape)
        if self.known.kind == "table":
            return self._columns()
        return Scale(shape=self.known.shape, channels=0 if self.known.kind == "image" else 1, way=self.scaling)

    def _columns(self) -> Columns:
        return Columns(features=self._features, way=self.scaling, missing=self.missing, shown=self.show_missing)

    @cached_property
    def _features(self) -> list[Feature]:
        return samples.features(self.sources[0].path, self.known.data.train.x)

    def stored_reading(self) -> dict[str, Any]:
        """Return the range of each column of a prepared table in training, so that use counts what lies outside of it."""
        if not self._in_columns or not self._prepared():
            return {}
        return {"ranges": samples.ranges(self._features, self.known.data.train.x)}

    def files_read(self) -> list[tuple[str, int]]:
        return sized([path for s in self.sources for path in s.files.files if s.key != "dataset.test_path" or self.test_path])

    def read(self) -> Data:
        array = self.known
        if self._prepared() and self._in_columns:
            kept = Data(*(Split(sample_rows(part.x), None) for part in (array.data.train, array.data.val, array.data.test)))
            log_warnings("array", kept, self._columns().features, self.scaling, self.missing)
        if not self._prepared() and array.within(0) and not (array.within(1) and array.within(2)):
            raise AerunError(
                f"{self.sources[-1].path}: training samples lie in [0, 1] and others do not. dataset.prepare=minmax "
                "clips them to the training range, dataset.prepare=standardize has no bounds."
            )
        if isinstance(array.data.train.x, Mapped):
            trim_heap()
        return array.data
