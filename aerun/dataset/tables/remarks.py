"""What a run should say about a table: what becomes 0, what is filled in, what is clipped."""

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from aerun.dataset.splits import Data
from aerun.dataset.tables.marks import mark_of
from aerun.dataset.tables.odd_words import same_but_for_case, unread_numbers
from aerun.preparation.feature import Feature

log = logging.getLogger("aerun")

_SHOWN = 5  # names in one line
_PIECE = 16_384  # rows that are looked at at a time


def log_warnings(option: str, data: Data, features: Sequence[Feature], prepare: str, missing: str = "fill") -> None:
    """Log the lines of `remarks` as warnings, and which columns are dates as a note in the run's log."""
    for line in remarks(data, features, prepare, missing):
        log.warning("dataset=%s: %s", option, line)
    if dates := [f.name for f in features if f.kind == "date"]:
        log.info("dataset=%s: dates, as seconds since the first of the training rows: %s.", option, ", ".join(dates))


def remarks(data: Data, features: Sequence[Feature], prepare: str, missing: str = "fill") -> list[str]:
    """Return what a user should know about the stored rows, one line for each kind of thing."""
    train = data.train.x
    low, high = _extreme(train, -1), _extreme(train, 1)
    numeric = [f.kind != "category" for f in features]
    constant = [i for i in range(len(features)) if low[i] == high[i] and not (prepare == "none" and numeric[i])]
    coarse = [i for i in range(len(features)) if numeric[i] and _coarse(train[:, i])]
    unseen, filled, clipped = dict[int, int](), dict[int, int](), dict[int, int]()
    for i, feature in enumerate(features):
        for x in (data.val.x[:, i], data.test.x[:, i]):
            unseen[i] = unseen.get(i, 0) + (0 if numeric[i] else int((x < 0).sum()))
            filled[i] = filled.get(i, 0) + (0 if feature.missing else int(x.isnan().sum()))
            clipped[i] = clipped.get(i, 0) + (
                int(((x < low[i]) | (x > high[i])).sum()) if numeric[i] and prepare == "minmax" else 0
            )
    cases = {
        "constant in the training rows, so 0 to the model": _names(features, constant),
        "32 bits keep less than three digits of what varies; subtract an offset first": _names(features, coarse),
        "words that no training row has, read as none of those known": _counted(features, unseen),
        f"missing values where the training rows have none{', filled in' * (missing == 'fill')}": _counted(features, filled),
        "values outside the training range, clipped by dataset.prepare=minmax": _counted(features, clipped),
    }
    cases |= {
        "read as categories, though their words look like numbers, dates or times in a form that is not known": _shown(
            unread_numbers(features)
        ),
        "categories of their own, though they differ in upper and lower case alone": _shown(same_but_for_case(features)),
    }
    return [f"{what}: {names}." for what, names in cases.items() if names] + _marks(data, features)


def _shown(examples: Mapping[str, str]) -> str:
    return _shortened([f"{name} ({example})" for name, example in examples.items()])


def _marks(data: Data, features: Sequence[Feature]) -> list[str]:
    """Return a line for columns in which a number seems to stand for no value."""
    shown = {}
    for i, feature in enumerate(features):
        mark = mark_of([part.x[:, i] for part in (data.train, data.val, data.test)]) if feature.kind == "number" else None
        if mark is not None:
            shown[feature.name] = f"{mark:.10g}"
    if not shown:
        return []
    words = ",".join(dict.fromkeys(shown.values()))
    return [
        f"{_shown(shown)}: read as a number, though far from all others, and "
        f"often a mark for a missing value: dataset.missing_words=[auto,{words}] reads it so."
    ]


def _names(features: Sequence[Feature], places: Sequence[int]) -> str:
    return _shortened([features[i].name for i in places])


def _counted(features: Sequence[Feature], counts: dict[int, int]) -> str:
    return _shortened([f"{features[i].name} ({count})" for i, count in counts.items() if count])


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more columns" if len(names) > _SHOWN else "")


def _extreme(x: Tensor, sign: int) -> list[float]:
    """Return the smallest (sign -1) or largest (1) value of each column."""
    parts = [(sign * part.float()).nan_to_num(nan=-float("inf")).amax(0) for part in x.split(_PIECE)]
    return [sign * float(v) for v in torch.stack(parts).amax(0)]


def _coarse(values: Tensor) -> bool:
    """Return whether neighbouring 32-bit numbers lie further apart than a thousandth of the column's deviation."""
    present = values[~values.isnan()].double()
    deviation = float(present.std(correction=0))
    return 0 < deviation < 1000 * float(present.abs().max()) * 2**-23
