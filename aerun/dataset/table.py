"""A table in a file of the user's own, or in several."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.dataset.storage.image_store import gigabytes
from aerun.dataset.tables.given import SPLIT, split_column
from aerun.dataset.tables.grouping import Grouping
from aerun.dataset.tables.names import Name, Names, names_in
from aerun.dataset.tables.partition import Cut
from aerun.dataset.tables.tabular import Roles, Tabular
from aerun.formats.frame import Frame, join_frames
from aerun.formats.limits import limits
from aerun.formats.reading import Reading, missing_words
from aerun.formats.several import read_tables
from aerun.preparation.columns import MISSING


class Table(Tabular):
    """The rows of a table as samples: csv, tsv, jsonl (also packed as gz, bz2, xz, zst), parquet, feather, xlsx or h5ad.

    The table is in one file, or in several with the same columns: those of a list, of a pattern, of a folder (folders called
    NAME=VALUE are columns, and names such as train and test say the splits), behind a URL, or saved by HuggingFace's
    `save_to_disk`.

    Columns are numbers (also 1,200.50 or 1.200,50, 45 %, 9 EUR), dates or categories (text, digits that are codes, such as
    00123, unless `numeric` names them, and those that `categorical` names). What the cells do not say, such as whether
    05/06/2024 is in May, is asked. `label` and `anomaly` name a column of classes, or of yes and no; with `anomaly` the
    model is trained on the normal rows alone; `weights` one of weights in the objective. The split is that of the column
    `split`, or `test_path` is the test split, or it is made: at random, by whole groups of `group`, or by `time`. `id`
    tells rows apart. None of these columns is a feature, and all of them, and those of `drop`, travel into what verbs write
    of a row. What the model works on, and what happens to words and gaps that training has not seen, see `Columns`. Raises
    AerunError, which names file, line or row, and column, for a file or a column that cannot be used as it is.

    rare, most, hash: what becomes of words that few rows have, and of ids, see `Grouping`. They are never generated: a draw of
    `other` or of a group is an empty cell.

    memory: GB that a table (but of h5ad files) may take, null for half of what is free. The columns of a larger one and then
    its samples are in files in `cache` (null: ~/.cache/aerun), and a preparation learns from 16 MB of random training samples.
    """

    def __init__(
        self,
        *,
        path: str | Sequence[str] | None,
        test_path: str | Sequence[str] | None,
        delimiter: str,
        header: str | bool,
        encoding: str,
        decimal: str,
        dates: str,
        skip: str | int,
        missing_words: str | Sequence[Name],
        label: Name | None,
        anomaly: Name | None,
        weights: Name | None,
        drop: Names,
        categorical: Names,
        numeric: Names,
        rare: int | None,
        most: int | None,
        hash: int | None,
        id: Name | None,
        split: Name | None,
        group: Name | None,
        time: Name | None,
        val: float,
        test: float,
        missing: str,
        show_missing: bool,
        prepare: str,
        memory: float | None,
        cache: str | None,
    ) -> None:
        super().__init__(prepare=prepare)
        self.grouping = Grouping(rare, most, hash)
        self.missing = one_of("dataset.missing", missing, (*MISSING, "refuse"))
        self.show_missing = show_missing
        if path is None:
            raise AerunError("dataset.path is not set: dataset=table dataset.path=FILE.")
        self.path, self.test_path = path, test_path
        self.memory, self.cache = gigabytes(memory), cache
        label, anomaly, split, group, time, key = (_spelt(n) for n in (label, anomaly, split, group, time, id))
        weights = _spelt(weights)
        self.cut = Cut(split, group, time, val, test)
        chosen = frozenset(names_in("dataset.categorical", categorical) if categorical != "auto" else ())
        self.roles = Roles(label, anomaly, weights, tuple(n for n in (split, group, time, key) if n is not None), chosen)
        numbers = None if numeric == "all" else frozenset(names_in("dataset.numeric", numeric))
        if twice := sorted(chosen & (numbers or frozenset())):
            raise AerunError(f"dataset.categorical=[{twice[0]}] dataset.numeric=[{twice[0]}]: a column is one of the two.")
        self.numeric = numbers or frozenset()
        self.key = key
        text = chosen | {n for n in (label, anomaly, split, group, key) if n is not None}
        shown = one_of("dataset.header", str(header).lower(), ("auto", "true", "false"))
        self.reading = Reading(
            delimiter,
            shown,
            encoding,
            frozenset(text),
            frozenset(names_in("dataset.drop", drop)),
            decimal=decimal,
            dates=dates,
            missing=words_for_missing(missing_words),
            skip=str(skip),
            numeric=None if numbers is None else numbers | {n for n in (time, weights) if n is not None},
        )

    def frame(self) -> Frame:
        frame = read_tables("dataset.path", self.path, self.reading, limits(self.memory, self.cache))
        for name in self.roles.categorical:
            frame.column("dataset.categorical", name)
        for name in self.numeric:
            frame.column("dataset.numeric", name)
        if self.test_path is None:
            return self._with_splits(frame)
        assert frame.reading is not None
        kept = {n: f for n, f in frame.reading.formats.items() if f != "text" or n in frame.reading.text}
        text = frame.reading.text | {n for n, c in frame.columns.items() if c.kind == "text"}
        numbers = {n for n, c in frame.columns.items() if c.kind == "number"}
        known = replace(self.reading, loose=True, decimal=frame.reading.decimal, text=text)
        if known.numeric is not None:
            known = replace(known, numeric=known.numeric | numbers)
        known = replace(known, dates=_order(kept, known))
        return join_frames(frame, read_tables("dataset.test_path", self.test_path, known, limits(self.memory, self.cache)))

    def _with_splits(self, frame: Frame) -> Frame:
        """Return the table with the splits that the names of its files give, where they do and nothing else says it."""
        if self.cut.split is not None or not frame.parts or not isinstance(self.path, str):
            return frame
        column = split_column(self.path, frame.names, [rows for _, rows in frame.parts])
        if column is None:
            return frame
        self.cut = replace(self.cut, split=SPLIT)
        self.roles = replace(self.roles, others=(*self.roles.others, SPLIT))
        return replace(frame, columns={**frame.columns, SPLIT: column})

    def samples(self, path: str) -> Tensor:
        """Return the rows of another file with the same features as stored samples (n, columns), in this table's categories."""
        reading = self.known.frame.reading
        assert reading is not None
        formats = {f.name: reading.formats[f.name] for f in self.known.features}
        known = replace(self.reading, header=reading.header, decimal=reading.decimal, usual=reading.delimiter)
        frame = read_tables("path", path, replace(known, loose=True, formats=formats), limits(self.memory, self.cache))
        for feature in self.known.features:
            if feature.name not in frame.columns:
                raise AerunError(f"{path}: has no column '{feature.name}', which {self.path} has.")
        return self._stored(frame, torch.arange(len(frame)))


def words_for_missing(words: str | Sequence[Name]) -> frozenset[str]:
    """Return the setting `missing_words` as words, also where Hydra has read some of them as numbers."""
    return missing_words(words if isinstance(words, str) else [str(w) for w in words])


def _order(formats: dict[str, str], reading: Reading) -> str:
    """Return the order of day and month that some column of the first file has, else as it is set."""
    return next((f.removeprefix("date ") for f in formats.values() if f.startswith("date ")), reading.dates)


def _spelt(name: Name | None) -> str | None:
    return None if name is None else str(name)
