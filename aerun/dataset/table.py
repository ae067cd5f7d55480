"""A table in a file of the user's own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.dataset.tables.partition import Cut
from aerun.dataset.tables.tabular import Roles, Tabular
from aerun.formats.frame import Frame, join_frames
from aerun.formats.reading import Reading
from aerun.formats.tables import read_table

Names = str | Sequence[str]


class Table(Tabular):
    """The rows of a csv, tsv (either also as .gz), parquet, feather or xlsx file as samples.

    Columns are numbers, dates (ISO 8601; seconds since the first training row) or categories (text, and those that
    `categorical` names); empty cells, NA, N/A, NaN, null, None and ? are missing values. `label` and `anomaly` name a column
    of classes, or of yes and no; with `anomaly` the model is trained on the normal rows alone. The split is that of the column
    `split`, or `test_path` is the test split, or it is made: at random, by whole groups of `group`, or by `time`. None of these
    columns is a feature. What the model works on, and what happens to words and gaps that training has not seen, see `Columns`.
    Raises AerunError, which names file, line or row, and column, for a file or a column that cannot be used as it is.
    """

    def __init__(
        self,
        *,
        path: str | None,
        test_path: str | None,
        delimiter: str,
        header: str | bool,
        encoding: str,
        label: str | None,
        anomaly: str | None,
        drop: Names,
        categorical: Names,
        split: str | None,
        group: str | None,
        time: str | None,
        val: float,
        test: float,
        prepare: str,
    ) -> None:
        super().__init__(prepare=prepare)
        if path is None:
            raise AerunError("dataset.path is not set: dataset=table dataset.path=FILE.")
        self.path, self.test_path = Path(path).expanduser(), None if test_path is None else Path(test_path).expanduser()
        self.cut = Cut(split, group, time, val, test)
        chosen = frozenset(names_in("dataset.categorical", categorical) if categorical != "auto" else ())
        self.roles = Roles(label, anomaly, tuple(n for n in (split, group, time) if n is not None), chosen)
        text = chosen | {n for n in (label, anomaly, split, group) if n is not None}
        shown = one_of("dataset.header", str(header).lower(), ("auto", "true", "false"))
        self.reading = Reading(delimiter, shown, encoding, frozenset(text), frozenset(names_in("dataset.drop", drop)))

    def frame(self) -> Frame:
        found = read_table("dataset.path", self.path, self.reading)
        for name in self.roles.categorical:
            found.column("dataset.categorical", name)
        if self.test_path is None:
            return found
        return join_frames(found, read_table("dataset.test_path", self.test_path, replace(self.reading, loose=True)))

    def samples(self, path: str) -> Tensor:
        """The rows of another file with the same features as stored samples (n, columns), in this table's categories."""
        reading = replace(self.reading, loose=True)
        found = read_table("path", Path(path), reading)
        for feature in self.known.features:
            if feature.name not in found.columns:
                raise AerunError(f"{path}: has no column '{feature.name}', which {self.path} has.")
        return self._stored(found, torch.arange(len(found)))


def names_in(key: str, value: Names) -> list[str]:
    """Columns that a setting names, a word or a list. AerunError for one that is named twice."""
    found = [value] if isinstance(value, str) else list(value)
    if len(set(found)) < len(found):
        raise AerunError(f"{key}={found}: names a column twice.")
    return found
