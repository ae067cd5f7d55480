"""The rows of metrics.csv, as they were written."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.runs import files, plain

METRICS = "metrics.csv"


@dataclass(frozen=True)
class Learned:
    """The curve of one run among several. points: (epoch, figure). ended: it came to its end."""

    name: str
    points: Sequence[tuple[int, float]]
    ended: bool


def row_of(folder: Path, epoch: int) -> dict[str, float]:
    """Return the metrics of one epoch, as they were written. Raises AerunError where they are not there."""
    for row in plain.rows(folder, METRICS):
        if row.get("epoch") == str(epoch):
            return plain.numbers(folder, row)
    raise AerunError(f"{folder / METRICS}: damaged: it has no row for epoch {epoch}.")


def best_row(folder: Path, monitor: str, epochs: int) -> dict[str, float]:
    """Return the metrics of the first epoch with the lowest `monitor` among so many. AerunError where there is none."""
    best, least = dict[str, str](), math.inf
    for row in plain.rows(folder, METRICS):
        about = plain.numbers(folder, row, "epoch", monitor)
        if about["epoch"] < epochs and (about[monitor] < least or not best):
            best, least = row, about[monitor]
    if not best:
        raise AerunError(f"{folder / METRICS}: damaged: it has no epoch.")
    return plain.numbers(folder, best)


def curve(folder: Path, key: str) -> list[tuple[int, float]]:
    """Return the epochs so far, counted from 1, with a figure of each; those that lack it are left out."""
    rows = (plain.numbers(folder, row, "epoch") for row in plain.rows(folder, METRICS))
    return [(int(row["epoch"]) + 1, row[key]) for row in rows if key in row]


def last_epoch(folder: Path, steps: float = math.inf) -> int:
    """Return the epochs that were trained within so many optimizer steps, as metrics.csv counts them; 0 without it."""
    rows = (plain.numbers(folder, row) for row in plain.rows(folder, METRICS))
    epochs = [row["epoch"] for row in rows if row.get("step", 0.0) <= steps and math.isfinite(row.get("epoch", math.nan))]
    return int(max(epochs, default=-1.0)) + 1


def keep_rows(folder: Path, steps: int) -> None:
    """Drop the rows after step `steps`: they will be written again."""
    if not files.exists(folder, METRICS):
        return
    kept = 0
    with io.StringIO(newline="") as text:
        for row in plain.rows(folder, METRICS):
            if plain.numbers(folder, row, "step")["step"] > steps:
                continue
            out = csv.DictWriter(text, list(row))
            if not kept:
                out.writeheader()
            out.writerow(row)
            kept += 1
        if kept:
            files.replace(folder, METRICS, text.getvalue())
        else:
            files.remove(folder, METRICS)
