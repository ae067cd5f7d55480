"""metrics.csv: one row an epoch."""

import csv
from collections.abc import Mapping, Sequence

from aerun.logger.base import About, Logger
from aerun.logger.rows import METRICS, keep_rows
from aerun.runs import files


class Csv(Logger):
    """RUN/metrics.csv. On resume, the rows after the checkpoint are dropped first.

    Every run has it. Chosen alone, it leaves out all others.
    """

    inside = True

    def open(self, about: About, epoch: int, steps: int) -> None:
        self.folder = about.folder
        keep_rows(self.folder, steps)

    def reopen(self, about: About) -> None:
        self.folder = about.folder

    def metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        new = not files.exists(self.folder, METRICS)
        with files.appended(self.folder, METRICS) as f:
            out = csv.DictWriter(f, list(rows[0]))
            if new:
                out.writeheader()
            out.writerows(rows)
