"""Why a sample scores high: the columns, channels, places or regions that its error comes from, in the data's own units."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aerun.inference.columns import told_columns
from aerun.inference.nats import column_nats, has_nats
from aerun.inference.recordings import features_of
from aerun.inference.runner import Runner
from aerun.inference.steps import StepSeries

_MOST, _LEAST = 3, 0.05  # reasons of one sample; share of the error of all but the first
Array = NDArray[Any]


def reasons(model: Runner, stored: Tensor, errors: Array, marks: Array) -> list[str]:
    """Return for each stored sample (k, *stored) where its error comes from, what is there, and what is expected.

    errors, marks: what `Model.errors_of` and `Model.mark_errors_of` say of them.
    """
    if model.facts.tokens:
        return _text(model, stored, errors)
    x, expected = model.facts.own(stored).numpy(), model.rebuilt(stored).numpy()
    if model.facts.kind == "image":
        return [_region(*one) for one in zip(x, expected, errors, strict=True)]
    if errors.ndim == 3:
        return [_channels(_names(model, x.shape[-1]), *one) for one in zip(x, expected, errors, strict=True)]
    if model.form.features:
        return _columns(model, stored, x, expected, errors, marks)
    names = [f"f{i + 1}" for i in range(errors.shape[1])]
    told, wanted = ([[_number(v) for v in row] for row in side] for side in (x, expected))
    return [listed(names, *one) for one in zip(told, wanted, errors, strict=True)]


def step_reason(series: StepSeries, step: int) -> str:
    """Return the channels that the score of a step comes from."""
    assert series.judged is not None
    told = [_number(v) for v in series.opened.x[step]]
    assert series.judged.expected is not None
    expected = [_number(v) for v in series.judged.expected[step]]
    return listed(series.channels, told, expected, series.judged.errors[step])


def _columns(model: Runner, stored: Tensor, x: Array, expected: Array, errors: Array, marks: Array) -> list[str]:
    """Return the columns that err most. marks: what of their errors is of cells that are there, and were expected to miss."""
    features = model.form.features
    told, wanted = (told_columns(values, features) for values in (x, expected))
    names = [f.name for f in features]
    nats = column_nats(model, stored).numpy() if has_nats(model) else None
    lines = []
    for row, error in enumerate(errors):
        behind = None if nats is None else [f" ({v:.1f} nats)" for v in nats[row]]
        cells = [_cell(told[n][row]) or "an unknown word" for n in names]
        gone = marks[row] > error / 2
        hoped = ["a missing cell" if gone[i] else _cell(wanted[n][row]) for i, n in enumerate(names)]
        lines.append(listed(names, cells, hoped, error, behind))
    return lines


def _names(model: Runner, count: int) -> list[str]:
    return features_of(model.reading) or [f"f{i + 1}" for i in range(count)]


def _channels(names: Sequence[str], x: Array, expected: Array, errors: Array) -> str:
    """Return the channels of a whole series or window (T, F), each where it errs most."""
    at = errors.argmax(0)
    each = range(len(names))
    told = [f"{_number(x[t, i])}" for i, t in zip(each, at, strict=True)]
    wanted = [_number(expected[t, i]) for i, t in zip(each, at, strict=True)]
    return listed(names, told, wanted, errors.sum(0), [f" at its step {t + 1}" for t in at])


def _text(model: Runner, stored: Tensor, errors: Array) -> list[str]:
    tokens, wanted = model.facts.tokens, model.rebuilt(stored)
    lines = []
    for row, numbers, again in zip(errors, model.facts.own(stored).tolist(), wanted.tolist(), strict=True):
        names = [f"place {i + 1}" for i in range(len(row))]
        said = [[f"'{tokens[i]}'" if i >= 0 else "" for i in line] for line in (numbers, again)]
        lines.append(listed(names, said[0], said[1], row))
    return lines


def _region(x: Array, expected: Array, errors: Array) -> str:
    """Return the part of an image (C, H, W), a quarter of its sides, that holds most of its error."""
    error = errors.sum(0)
    if not error.sum() > 0:
        return "nothing stands out"
    sides = [max(1, round(n / 4)) for n in error.shape]
    sums = np.pad(error, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    high, wide = sides
    boxes = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    top, left = (int(i) for i in np.unravel_index(boxes.argmax(), boxes.shape))
    share, area = boxes[top, left] / error.sum(), high * wide / error.size
    channel, row, column = (int(i) for i in np.unravel_index(errors.argmax(), errors.shape))
    return (
        f"rows {top + 1} to {top + high}, columns {left + 1} to {left + wide} ({share:.0%} of the error in {area:.0%} of the "
        f"image); most at row {row + 1}, column {column + 1}: {_number(x[channel, row, column])} where "
        f"{_number(expected[channel, row, column])} is expected"
    )


def listed(
    names: Sequence[str], told: Sequence[str], expected: Sequence[str], errors: Array, behind: Sequence[str] | None = None
) -> str:
    """Return NAME VALUE where EXPECTED is expected (share of the error), the largest first."""
    known = np.nan_to_num(np.asarray(errors, dtype=np.float64), posinf=1e300)
    total = known.sum()
    if not total > 0:
        return "nothing stands out"
    parts = list[str]()
    for i in (int(i) for i in np.argsort(-known, kind="stable")[:_MOST]):
        share = known[i] / total
        if parts and share < _LEAST:
            break
        place = behind[i] if behind else ""
        parts.append(f"{names[i]} {_against(told[i], expected[i])}{place} ({share:.0%})")
    return "; ".join(parts)


def _against(told: str, expected: str) -> str:
    """Return `4 where 16 is expected`, and what there is to say where both read the same."""
    if told != expected:
        return f"{told} where {expected} is expected"
    number = told.lstrip("-")[:1].isdigit()
    return f"{told} nearly as expected" if number else f"{told}, likely but not certain"


def _cell(value: Any) -> str:
    return _number(value) if isinstance(value, float | np.floating) else str(value)


def _number(value: Any) -> str:
    """Return a number as people write it: 1,240 and 0.0352."""
    number = float(value)
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.4g}"
