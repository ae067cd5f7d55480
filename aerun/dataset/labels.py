"""The classes of samples: labels for evaluation, never for training, and which of them count as normal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError, nearest
from aerun.formats.frame import Frame
from aerun.formats.number_words import matching

_MOST = 1000
Normal = int | float | str | Sequence[int | float | bool | str] | None  # what dataset.normal may be
_NORMAL = {"0": 0, "0.0": 0, "false": 0, "no": 0, "normal": 0, "inlier": 0, "ok": 0, "healthy": 0}
_ANOMALY = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "anomaly": 1, "outlier": 1, "fault": 1, "defect": 1}


@dataclass(frozen=True)
class Labels:
    """codes (n,) int64, places in `names`."""

    codes: Tensor
    names: tuple[str, ...]


def places(normal: int | float | str | Sequence[int | float | bool | str], names: Sequence[str]) -> tuple[int, ...]:
    """Return which of the classes `names` are `normal`. AerunError for one that is not there, for none and for all of them."""
    typed = [str(n) for n in ([normal] if isinstance(normal, int | float | str) else normal)]
    if not names:
        raise AerunError(
            'dataset.normal needs labels, and this data set has none. A query compares columns of a table: "amount < 100".'
        )
    asked = [matching(n, names) or n for n in typed]  # FALSE may be typed for False, 0 for 0.0
    for name in asked:
        if name not in names:
            if isinstance(normal, str) and {"<", ">", "="} & set(name):
                raise AerunError(f"dataset.normal={name}: neither a class nor, but for tables (dataset=table), a query.")
            shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            raise AerunError(f"dataset.normal={name}: no such class{nearest(name, names)}; there are {shown}.")
    if not 0 < len(set(asked)) < len(names):
        raise AerunError(
            f"dataset.normal={asked}: names {'every class' if asked else 'no class'}: nothing to tell apart.".replace("'", "")
        )
    return tuple(names.index(name) for name in dict.fromkeys(asked))


def by_mark(anomaly: str | None, label: str | None, normal: Normal, contamination: float) -> Normal:
    """Return what counts as normal where a column `anomaly` may say so.

    AerunError for two answers, and for anomalies of nothing.
    """
    if anomaly is None and contamination and normal is None:
        raise AerunError(f"dataset.contamination={contamination} needs dataset.anomaly or dataset.normal.")
    if anomaly is None:
        return normal
    if label is not None or normal is not None:
        other = f"dataset.label={label}" if label is not None else f"dataset.normal={normal}"
        raise AerunError(f"dataset.anomaly={anomaly} says what is normal: leave out {other}.")
    return "normal"


def by_class(frame: Frame, name: str) -> Labels:
    """Return the column that `dataset.label` names. AerunError for a row without a class, and for what are not classes."""
    column = frame.column("dataset.label", name).as_text()
    gone = np.isnan(column.values)
    if gone.any():
        raise AerunError(f"{frame.where(name, int(gone.argmax()))}: has no label. Mend it, or dataset.drop=[{name}].")
    names = _ordered(column.words)
    left = f"dataset.drop=[{name}] leaves the column out."
    refuse_many(f"dataset.label={name}", len(names), len(frame), f"rows of {frame.file}", left)
    place = {n: i for i, n in enumerate(names)}
    codes = np.array([place[w] for w in column.words])[column.values.astype(np.int64)]
    return Labels(torch.from_numpy(codes), names)


def refuse_many(key: str, classes: int, count: int, what: str, instead: str) -> None:
    """Raise AerunError where so many of `count` samples have a label of their own that they are no classes."""
    if classes > max(2, min(_MOST, count // 2)):
        raise AerunError(f"{key}: {classes} different values in {count} {what} are not classes. {instead}")


def _ordered(words: Sequence[str]) -> tuple[str, ...]:
    """Return numbers by size, words by the alphabet."""
    whole = all(w.removeprefix("-").isdigit() for w in words)
    return tuple(sorted(words, key=int)) if whole else tuple(sorted(words))


def by_flag(frame: Frame, name: str) -> Labels:
    """Return the column that `dataset.anomaly` names, as the classes normal and anomaly.

    AerunError for anything but a yes or a no.
    """
    column = frame.column("dataset.anomaly", name).as_text()
    known = {**_NORMAL, **_ANOMALY}
    wrong = np.isnan(column.values)
    for place, word in enumerate(column.words):
        wrong |= (column.values == place) & (word.lower() not in known)
    if wrong.any():
        row = int(wrong.argmax())
        word = "" if np.isnan(column.values[row]) else column.words[int(column.values[row])]
        raise AerunError(
            f"{frame.where(name, row)}: '{word}' is neither {'/'.join(_NORMAL)} nor {'/'.join(_ANOMALY)}. For other classes: "
            f"dataset.label={name} dataset.normal=[...] (a window of a series is then of its most frequent class)."
        )
    codes = np.array([known[w.lower()] for w in column.words])[column.values.astype(np.int64)]
    if len(set(codes.tolist())) < 2:
        raise AerunError(f"dataset.anomaly={name}: marks {'every' if codes.all() else 'no'} row of {frame.file}.")
    return Labels(torch.from_numpy(codes), ("normal", "anomaly"))
