"""Bundled tables with cells that are hidden at random: what the figures of imputation that others publish are measured on."""

import numpy as np
import torch

from aerun.core.checks import integer, one_of, within
from aerun.dataset.splits import Data, Split
from aerun.dataset.tables.partition import Cut, Parts
from aerun.dataset.tables.tabular import Roles, Tabular, bundled
from aerun.formats.frame import Column, Frame

TABLES = ("breast_cancer", "wine")


class _Whole(Cut):
    def __call__(self, frame: Frame) -> Parts:
        """Return all rows for training, some of them for validation, and all for the test."""
        rows = np.arange(len(frame))
        some = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).numpy()
        return rows, some[: round(self.val * len(rows))], rows


class HiddenCells(Tabular):
    """A table of scikit-learn's of which `share` of all cells, drawn without replacement, is missing; the truth is kept.

    Which cells are hidden is what numpy's RandomState(seed).choice gives, as Mattei & Frellsen 2019
    (https://arxiv.org/abs/1812.02633) draw them. Theirs is the protocol: all rows are training rows and all are test rows, as
    filling in is judged on cells that nobody saw. Validation rows are the last 15 % of a fixed order, of the training rows too:
    they tell whether training works, and not when a model begins to learn by heart.
    """

    roles = Roles(label="class")
    cut = _Whole(split=None, group=None, time=None, val=0.15, test=0.15)
    missing = "keep"

    def __init__(self, *, of: str, share: float, seed: int, show_missing: bool, prepare: str) -> None:
        super().__init__(prepare=prepare)
        self.of, self.show_missing = one_of("dataset.of", of, TABLES), show_missing
        self.share, self.seed = within("dataset.share", share, 0.01, 0.99), integer("dataset.seed", seed, 0)

    def frame(self) -> Frame:
        whole = self._whole()
        numbers = [name for name, column in whole.columns.items() if column.kind == "number"]
        gone = np.zeros(len(whole) * len(numbers), dtype=bool)
        gone[np.random.RandomState(self.seed).choice(gone.size, int(self.share * gone.size), replace=False)] = True
        holes = gone.reshape(len(whole), len(numbers))
        left = {n: Column("number", np.where(holes[:, i], np.nan, whole.columns[n].values)) for i, n in enumerate(numbers)}
        return Frame({**whole.columns, **left}, whole.files)

    def clean(self) -> Data:
        """Return the rows as they are, row for row those of `load()`."""
        columns = self._whole().columns
        x = torch.from_numpy(np.stack([columns[f.name].values for f in self.known.features], 1)).float()
        rows = self.known.rows
        return Data(*(Split(x[part.x], part.y) for part in (rows.train, rows.val, rows.test)))

    def _whole(self) -> Frame:
        # Deferred: scikit-learn takes a second to import.
        from sklearn import datasets

        return bundled(self.of, getattr(datasets, f"load_{self.of}")())
