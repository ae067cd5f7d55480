"""Files of the time-series archives (.ts): a header, then one series a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats.frame import Values
from aerun.formats.reading import MISSING
from aerun.formats.text_rows import lines_of

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Line:
    """One series: values (T, F), NaN where missing, and the word behind them, empty where the file has none."""

    values: Values
    label: str


def series_of(path: Path, encoding: str) -> list[Line]:
    """Return the series of a file: features parted by `:`, their steps by `,`, the class (or target) last.

    Loning et al. 2019, https://arxiv.org/abs/1909.07872. Raises AerunError, with the line, for what is not like that.
    """
    lines = ((n, line.strip()) for n, line in enumerate(lines_of(path, encoding), 1))
    labelled = _labelled(path, lines)
    series: list[Line] = []
    size = 0
    for number, line in lines:
        if not line or line.startswith(("#", "%")):
            continue
        series.append(_line(f"{path}, line {number}", line, labelled))
        size += series[-1].values.size
        refuse_beyond(str(path), 12.0 * size)
        wide, first = series[-1].values.shape[1], series[0].values.shape[1]
        if wide != first:
            raise AerunError(f"{path}, line {number}: {wide} features, and {first} in the first series.")
    if not series:
        raise AerunError(f"{path}: has no series behind @data.")
    return series


def _labelled(path: Path, lines: Iterator[tuple[int, str]]) -> bool:
    """Read the header; does each series end in a class or a target?"""
    labelled = False
    for number, line in lines:
        word, _, rest = line.lower().partition(" ")
        if word == "@data":
            return labelled
        if word in ("@classlabel", "@targetlabel"):
            labelled = rest.split()[:1] == ["true"]
        if word == "@timestamps" and rest.strip() == "true":
            raise AerunError(f"{path}, line {number}: time stamps in .ts files are not read; a table with dataset.time is.")
        if line and not line.startswith(("@", "#", "%")):
            break
    raise AerunError(f"{path}: not a .ts file: it has no line @data before its series.")


def _line(where: str, line: str, labelled: bool) -> Line:
    parts = line.split(":")
    if labelled and len(parts) < 2:
        raise AerunError(f"{where}: no ':' and no class behind the values, as the header promises.")
    features = [_steps(where, i, part) for i, part in enumerate(parts[:-1] if labelled else parts, 1)]
    lengths = {len(f) for f in features}
    if len(lengths) > 1:
        raise AerunError(f"{where}: its features have {min(lengths)} to {max(lengths)} steps; all need as many.")
    return Line(np.stack(features, 1), parts[-1].strip() if labelled else "")


def _steps(where: str, feature: int, part: str) -> Values:
    cells = [cell.strip() for cell in part.split(",")]
    values = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        if cell.lower() not in MISSING:
            try:
                values[i] = float(cell)
            except ValueError:
                raise AerunError(f"{where}: feature {feature}: '{cell}' is not a number.") from None
            if abs(values[i]) > _LARGEST:
                raise AerunError(f"{where}: feature {feature}: {cell} is infinite or beyond 32 bits.")
    return values
