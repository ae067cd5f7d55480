"""What was decided about each column of a table, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from aerun.formats.codes import code_among
from aerun.formats.frame import Column, Frame
from aerun.formats.reading import Reading
from aerun.preparation.feature import Feature


@dataclass(frozen=True)
class Decision:
    """kind: number, date, category, or what a setting makes of the column. missing, distinct: over all rows."""

    name: str
    kind: str
    why: str
    missing: int
    distinct: int
    example: str


def decisions(
    frame: Frame, features: Mapping[str, Feature], roles: Mapping[str, str], categorical: frozenset[str]
) -> list[Decision]:
    """Return one decision a column. roles: columns that are no features, with the setting that names each."""
    decided = []
    for name, column in frame.columns.items():
        if name in features:
            kind = features[name].kind
            why = f"dataset.categorical=[{name}]" if name in categorical else _why(kind, name, column, frame.reading)
        else:
            kind, why = "no feature", roles.get(name, "")
        there = column.values[~np.isnan(column.values)]
        example = _spelt(column, float(there[0])) if len(there) else ""
        decided.append(Decision(name, kind, why, len(column.values) - len(there), len(np.unique(there)), example))
    return decided


def _why(kind: str, name: str, column: Column, reading: Reading | None) -> str:
    form = "" if reading is None else reading.formats.get(name, "")
    detail = form.partition(" ")[2]
    if kind == "number":
        signs = {"": "every cell is a number", "%": "percent: 45% is 0.45"}
        return signs.get(detail, f"numbers in {detail}") + (", decimal comma" if _comma(reading) else "")
    if kind == "date":
        order = {"dmy": ", the day first", "mdy": ", the month first"}
        return f"every cell is a date{order.get(detail, '')}"
    if (code := code_among(column.words)) is not None:
        return f"codes, such as {code}: dataset.numeric=[{name}] makes them numbers"
    return "text of few words"


def _comma(reading: Reading | None) -> bool:
    return reading is not None and reading.decimal == ","


def _spelt(column: Column, value: float) -> str:
    if column.kind == "text":
        return column.words[int(value)]
    if column.kind == "date":
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat().removesuffix("T00:00:00")
    return f"{value:g}"
