"""Time series in files of the user's own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError, nearest
from aerun.core.facts import Facts, real_steps
from aerun.core.kept import kept_warnings
from aerun.core.paths import path_words
from aerun.dataset.base import Dataset
from aerun.dataset.labels import by_mark
from aerun.dataset.recorded_steps import RecordedSteps
from aerun.dataset.sequences import windows
from aerun.dataset.sequences.clock import zone_of
from aerun.dataset.sequences.recorded import Recorded, together
from aerun.dataset.sequences.sampling import GAPS, Opened, Sampling, SeriesFacts
from aerun.dataset.sequences.series_files import SUFFIXES, Layout, columns_named
from aerun.dataset.sequences.windows import Windows
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage.listing import folder
from aerun.dataset.table import words_for_missing
from aerun.dataset.tables.names import Name, Names, names_in
from aerun.dataset.tables.partition import Cut
from aerun.dataset.tables.remarks import log_warnings
from aerun.formats.arrays import read_array
from aerun.formats.compressed import bare_suffix, packing
from aerun.formats.found import Paths, found, is_several, sized
from aerun.formats.hierarchies import is_zarr
from aerun.formats.reading import Reading, reading_from
from aerun.formats.tables import TEXT
from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.feature import Feature
from aerun.preparation.scale import Scale
from aerun.preparation.statistics import WAYS

_UNPACKED = 4  # bytes of text that a packed one stands for, at least where it is numbers


class Series(Dataset):
    """Windows of time series, or whole series of any length, as samples (T, F): numbers over time.

    path: a csv, tsv, jsonl, parquet, feather, xlsx, .ts, npz, npy, h5 or zarr file, or several, whose series are further ones:
    those of a list, a pattern, a URL, or a folder, whose sub-folders are classes or the splits train, val and test.
    layout long: a row is a step, columns are features; `group` names the column that tells series apart. wide: a row is a
    whole series, its columns the steps, and `group` says which rows stay in one split. npz: the array `key` is (T, F), (n, T)
    in the layout wide, or (n, T, F); columns are its other arrays, by name.
    time: rows are sorted by this column; a step that comes later than 1.5 usual steps stands behind a gap, which no sample
    spans (gaps=cut). zone: the time zone of times without an offset, which tells the two hours apart where clocks are set back;
    without it they are taken as UTC. window, stride: in steps; window null: what lies between two breaks as a whole.
    label, anomaly: a window is of the most frequent class of its steps, and an anomaly where one of its steps is.
    The split is that of the column `split`, of folders, or `test_path` is the test split; else it is made: whole series at
    random (by=series), or each part of the time in its turn, the latest for the test (by=time; auto: where there is one
    series). Windows never reach from one split into another. missing: values that are missing within a series: filled in from
    their neighbours, see `filled`, or fill and keep, as for tables, see `Scale`, which also says what `carry` and `irregular`
    are: with the latter samples span gaps in time; a series of its own length ends with the last
    step that holds any value. prepare: each feature scaled by the training samples, see `Scale`. Raises AerunError that names
    file, column and row.
    """

    def __init__(
        self,
        *,
        path: str | Sequence[str] | None,
        test_path: str | Sequence[str] | None,
        layout: str,
        key: str | None,
        delimiter: str,
        header: str | bool,
        encoding: str,
        decimal: str,
        dates: str,
        skip: str | int,
        missing_words: str | Sequence[Name],
        group: str | None,
        time: str | None,
        zone: str | None,
        label: str | None,
        anomaly: str | None,
        id: str | None,
        drop: Names,
        window: int | None,
        stride: int | None,
        gaps: str,
        missing: str,
        show_missing: bool,
        carry: bool,
        irregular: bool,
        split: str | None,
        by: str,
        val: float,
        test: float,
        prepare: str,
    ) -> None:
        self.path = _place("dataset.path", path)
        self.test_path = None if test_path is None else _place("dataset.test_path", test_path)
        if stride is not None and window is None:
            raise AerunError(f"dataset.stride={stride} needs dataset.window.")
        if irregular and time is None:
            raise AerunError("dataset.irregular=true needs dataset.time, the column of times.")
        if zone is not None and time is None:
            raise AerunError(f"dataset.zone={zone} needs dataset.time.")
        if layout == "wide" and time is not None:
            raise AerunError(f"dataset.time={time}: in the layout wide steps follow each other as the columns do.")
        self.prepare, self.show_missing, self.carry = one_of("dataset.prepare", prepare, WAYS), show_missing, carry
        roles = columns_named(group=group, time=time, label=label, anomaly=anomaly, split=split, id=id)
        headed = one_of("dataset.header", str(header).lower(), ("auto", "true", "false"))
        words = frozenset(n for n in (label, anomaly, split, group, id) if n is not None)
        reading = Reading(
            delimiter,
            headed,
            encoding,
            words,
            frozenset(names_in("dataset.drop", drop)),
            decimal=decimal,
            dates=dates,
            missing=words_for_missing(missing_words),
            skip=str(skip),
            numeric=None,
        )
        self.layout = Layout(reading, one_of("dataset.layout", layout, ("long", "wide")) == "wide", group, roles, key)
        self.sampling = Sampling(
            path=path_words(self.path),
            test_path=path_words(self.test_path),
            time=time,
            label=label,
            anomaly=anomaly,
            split=split,
            roles=tuple(roles.values()),
            window=None if window is None else integer("dataset.window", window, 2),
            stride=(window or 1) if stride is None else integer("dataset.stride", stride, 1),
            keep=one_of("dataset.gaps", gaps, ("cut", "keep")) == "keep" or irregular,
            irregular=irregular,
            carry=carry,
            missing=one_of("dataset.missing", missing, ("refuse", "cut", *windows.FILLING, *GAPS)),
            by=one_of("dataset.by", by, ("auto", "series", "time")),
            cut=Cut(None, None, None, val, test),
            zone=zone_of(zone),
        )

    def refuse_protocol(self) -> None:
        self.normal = by_mark(self.sampling.anomaly, self.sampling.label, self.normal, self.contamination)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.known.classes

    @property
    def shared_steps(self) -> int:
        return windows.shared_steps(self.sampling.window, self.sampling.stride)

    def facts(self) -> Facts:
        shape, series = tuple(self.known.data.train.x.shape[1:]), self.known
        low, high = (0.0, 1.0) if self.prepare == "minmax" else (None, None)
        return Facts(
            shape=shape,
            kind="sequence",
            unit=1.0,
            low=low,
            high=high,
            classes=len(series.classes) or None,
            ragged=series.ragged,
            prepared_from=shape if self._prepared else None,
            gaps=self._gaps is not None,
            uneven=series.uneven,
        )

    def preparation(self) -> Preparation:
        if not self._prepared:
            return Unchanged()
        shape, ragged = tuple(self.known.data.train.x.shape[1:]), self._gaps is not None and self.known.ragged
        return Scale(
            shape=shape,
            channels=1,
            way=self.prepare,
            missing=self._gaps,
            ragged=ragged,
            shown=self.show_missing,
            carried=self.carry,
            timed=self.sampling.irregular,
        )

    @property
    def _prepared(self) -> bool:
        return self.prepare != "none" or self._gaps is not None or self.sampling.irregular

    @property
    def _gaps(self) -> str | None:
        """Return what is done with samples that lack values; None where none may."""
        return self.sampling.missing if self.sampling.missing in GAPS else None

    def read(self) -> Data:
        rows = _rows(self.known.data, len(self.known.features))
        gone = rows.train.x.isnan().any(0).tolist()
        features = [Feature(n, "number", missing=g) for n, g in zip(self.known.features, gone, strict=True)]
        log_warnings("series", rows, features, self.prepare)
        return self.known.data

    @cached_property
    def known(self) -> SeriesFacts:
        """Return the samples of the files, read, split and cut."""
        with kept_warnings(self.notes):
            read = self.sampling(*self._recorded())
        if self.sampling.missing in GAPS:
            _refuse_empty(read, path_words(self.path))
        return read

    def stored_reading(self) -> dict[str, Any]:
        reading, zone = self.known.reading, self.sampling.zone
        stored = {} if reading is None else {**reading.stored(), "formats": {}}
        times = {"zone": "UTC" if zone is None else zone.key} if self.sampling.time is not None else {}
        return {"features": list(self.known.features), **stored, **times, "ranges": self._ranges()}

    def _ranges(self) -> dict[str, list[float]]:
        """Return the smallest and largest value of each feature in the training samples."""
        columns = self.known.data.train.x[..., : len(self.known.features)].flatten(0, 1).numpy().T
        return {n: [float(np.nanmin(c)), float(np.nanmax(c))] for n, c in zip(self.known.features, columns, strict=True)}

    def files_read(self) -> list[tuple[str, int]]:
        return sized(self.known.files)

    def validation_starts(self) -> NDArray[np.int64] | None:
        first, normal, y = self.known.val_first, self.normal_classes, self.known.data.val.y
        if self.sampling.window is None or first is None:
            return None
        return first if normal is None or y is None else first[np.isin(y.numpy(), normal)]

    @property
    def window_stride(self) -> int | None:
        return None if self.sampling.window is None else self.sampling.stride

    def test_steps(self) -> RecordedSteps | None:
        return None if self.window_stride is None else self.known.test_steps

    def samples_of(
        self, file: Path, features: Sequence[str], steps: int, ragged: bool, stored: Mapping[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], Windows, Opened]:
        """Return the samples (n, steps, F) of another file, read and cut as this set's own, and where they were cut.

        stored: what the run wrote down of its reading, see `stored_reading`; of runs that did not, the settings say it.

        The features are those named in `features`, or, where that is empty, all columns that no setting names; other columns
        are passed over.

        Raises AerunError where a feature is missing, and for whatever is wrong with the file.
        """
        recording, names, sampling = self._other(file, features, stored)
        window = self.sampling.window if self.sampling.window is not None or ragged else steps
        return sampling.of_others(recording, names, steps, window)

    def steps_of(self, file: Path, features: Sequence[str], stored: Mapping[str, Any] | None = None) -> Opened:
        """Return the steps of another file, read as `samples_of` does, and the pieces that samples may be cut from."""
        recording, names, sampling = self._other(file, features, stored)
        return sampling.opened(recording, names, sampling.window)

    def is_streamed(self, file: Path, wanted: int) -> bool:
        """Return whether a further file has at least `wanted` bytes and is one series in the order of its rows."""
        s, suffix = self.sampling, bare_suffix(file)
        if self.layout.wide or self.layout.group is not None or s.time is not None or s.missing in windows.FILLING:
            return False
        if not file.is_file() or file.stat().st_size * (_UNPACKED if packing(file) else 1) < wanted:
            return False
        return suffix in TEXT or (file.suffix.lower() == ".npy" and read_array("FILE", file, None).ndim < 3)

    def step_pieces(
        self, file: Path, features: Sequence[str], stored: Mapping[str, Any] | None, rows: int
    ) -> Iterator[Recorded]:
        """Yield the steps of a further file that `is_streamed`, so many at a time, for `opened`."""
        return self._layout_of(stored).pieces("FILE", file, features, rows)

    def opened(self, recording: Recorded, features: Sequence[str], file: Path) -> Opened:
        """Return some steps of a further file, and the pieces that samples may be cut from."""
        names = self._named(recording, features, file)
        return replace(self.sampling, path=str(file)).opened(recording, names, self.sampling.window)

    def _other(
        self, file: Path, features: Sequence[str], stored: Mapping[str, Any] | None
    ) -> tuple[Recorded, Sequence[str], Sampling]:
        """Return another file, its features, and how it is cut."""
        recording = self._layout_of(stored).read_others("FILE", file)
        time = self.sampling.time if self.sampling.time in recording.frame.columns else None
        return recording, self._named(recording, features, file), replace(self.sampling, path=str(file), time=time)

    def _layout_of(self, stored: Mapping[str, Any] | None) -> Layout:
        """Return how further files are read. stored: what the run wrote down of its reading."""
        layout = self.layout
        own = replace(layout.reading, loose=True, carried=frozenset({*layout.roles.values(), *layout.reading.drop}))
        if stored and "header" in stored:
            own = reading_from(stored, own)
        return replace(self.layout, reading=own)

    def _named(self, recording: Recorded, features: Sequence[str], file: Path) -> Sequence[str]:
        missing = [n for n in features if n not in recording.frame.columns]
        if features and missing:
            columns = list(recording.frame.columns)
            hint = nearest(missing[0], columns)
            raise AerunError(
                f"{file}: has no column '{missing[0]}'{hint}, which this run reads; it has {', '.join(columns[:20])}."
            )
        return features or self.sampling.features(recording, recording.label)

    def _recorded(self) -> tuple[Recorded, int]:
        """Return all files as one recording, and how many rows at its end are of the test files."""
        s, where = self.sampling, f"dataset.path={path_words(self.path)}"
        shares = None if s.by == "time" or s.split is not None or self.test_path is not None else (s.cut.val, s.cut.test)
        if isinstance(self.path, Path) and self.path.is_dir() and not is_zarr(self.path):
            if self.test_path is not None:
                raise AerunError(
                    f"dataset.test_path={path_words(self.test_path)}: in a folder the sub-folder test is the test split."
                )
            return self.layout.folder(self.path, where, shares), 0
        first = self._read(self.layout, "dataset.path", self.path, shares)
        if self.test_path is None:
            return first, 0
        loose = replace(self.layout, reading=replace(self.layout.reading, loose=True))
        second = self._read(loose, "dataset.test_path", self.test_path, None)
        return together([first, second]), len(second.frame)

    def _read(self, layout: Layout, key: str, value: Paths, shares: tuple[float, float] | None) -> Recorded:
        """Return the series of a file, or of all that a list, a pattern or a URL names."""
        files = found(key, value, SUFFIXES)
        if files.alone:
            return layout.read(key, files.files[0])
        return layout.several(files.files, files.names, f"{key}={files.label}", shares)


def _place(key: str, value: Paths | None) -> Paths:
    """Return a list, a pattern or a URL as it is, and else the file or folder. AerunError where there is none."""
    if value is not None and is_several(value):
        return value
    return folder(key, None if value is None else str(value), "your series")


def _refuse_empty(read: SeriesFacts, where: str) -> None:
    """Raise AerunError for a feature without any value in training."""
    empty = read.data.train.x.isnan().all(0).all(0).tolist()
    if any(empty):
        name = read.features[empty.index(True)]
        raise AerunError(f"{where}: '{name}' has no value in any training sample: dataset.drop=[{name}].")


def _rows(data: Data, features: int) -> Data:
    """Return the real steps of all samples, as rows of their first `features` values."""
    parts = (part.x[..., :features] for part in (data.train, data.val, data.test))
    return Data(*(Split(x[real_steps(x)], None) for x in parts))
