"""What the training rows say about the columns of a table, and all rows as samples."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.dataset.tables.grouping import OTHER, Grouping, group_of
from aerun.formats.codes import code_among
from aerun.formats.date_words import seconds
from aerun.formats.frame import Column, Frame, Values, moved
from aerun.formats.number_words import canonical
from aerun.formats.problems import Problem, UnclearError
from aerun.preparation.feature import Feature

_PIECE = 16_384  # rows that are encoded at a time, at most
_CELLS = 500_000  # cells that are encoded at a time
_LONGEST_NAME = 40  # letters of a word that may name a row
_DAY = 86_400  # seconds
_DECIMALS, _EXACT = 6, 2.0**52  # of a number's step; above which whole numbers are not told apart
MOST_WORDS = 1000  # of one column: each becomes an element of x
_AS_THEY_ARE = Grouping()
log = logging.getLogger("aerun")
Rows = NDArray[Any]  # whole numbers of 32 bits, or of 64


def learn(
    frame: Frame, names: Sequence[str], categorical: Collection[str], rows: Rows, grouping: Grouping = _AS_THEY_ARE
) -> tuple[Feature, ...]:
    """Return the features of the columns `names`, from the rows `rows` alone.

    Text and the columns of `categorical` are categories, whose words `grouping` may join. UnclearError names every column
    without any value in these rows, and every one of too many different words.
    """
    features: list[Feature] = []
    problems: list[Problem] = []
    for name in names:
        try:
            features.append(_feature(frame, name, frame.columns[name], name in categorical, rows, grouping))
        except UnclearError as e:
            problems += e.problems
        frame.columns[name].forget()
    if problems:
        raise UnclearError(problems)
    if joined := [f"all of {f.name} but {len(f.words) - 1}" for f in features if f.other]:
        told = "%s: words are read as one, `%s`, by %s: %s."
        log.warning(told, frame.file, OTHER, grouping.words, ", ".join(joined))
    if hashed := [f.name for f in features if f.hash]:
        log.warning("%s: words are read as %d groups by dataset.hash: %s.", frame.file, grouping.hash, ", ".join(hashed))
    return tuple(features)


def _feature(frame: Frame, name: str, column: Column, category: bool, rows: Rows, grouping: Grouping) -> Feature:
    values = column.values[rows]
    missing = np.isnan(values)
    if missing.all():
        message = f"{frame.file}: column '{name}' has no value in any training row: dataset.drop=[{name}]."
        raise UnclearError([Problem(message, {"drop": [name]})])
    if category or column.kind == "text":
        del values
        column = column.as_text()
        return _category(frame.file, name, column, rows, bool(missing.any()), category, grouping)
    known = values[~missing] if missing.any() else values
    first, last = float(known.min()), float(known.max())
    if column.kind != "date":
        return Feature(name, column.kind, missing=bool(missing.any()), step=_step(known), low=first, high=last)
    days = not np.fmod(known, _DAY, out=known).any()
    return Feature(name, "date", (), first, bool(missing.any()), days=days, low=0.0, high=last - first)


def _category(file: str, name: str, column: Column, rows: Rows, gaps: bool, chosen: bool, grouping: Grouping) -> Feature:
    """Return the feature of a column of words. chosen: a setting says that they are classes."""
    values = column.values[rows]
    codes, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    every: dict[str, int] = {}
    for code, count in zip(codes, counts, strict=True):
        every[column.words[int(code)]] = every.get(column.words[int(code)], 0) + int(count)
    words = grouping.kept(every)
    joined = 0 < len(words) < len(every)
    if every and not words:
        log.warning("%s: %s: no word is in %d training rows (dataset.rare): all stay as they are.", file, name, grouping.rare)
    try:
        _refuse_many(file, name, words or sorted(every), int(counts.sum()), chosen or joined)
    except UnclearError:
        if grouping.hash is None:
            raise
        groups = tuple(f"group {i + 1}" for i in range(grouping.hash))
        return Feature(name, "category", groups, missing=gaps, hash=grouping.hash)
    if joined:
        return Feature(name, "category", (*(w for w in words if w != OTHER), OTHER), missing=gaps, other=True)
    return Feature(name, "category", tuple(words or sorted(every)), missing=gaps)


def _step(values: Values) -> float:
    """Return the largest number that all values (n,) are multiples of, with at most 6 decimals; 0 where there is none."""
    for decimals in range(_DECIMALS + 1):
        for part in (values[:1000], values):
            whole = part * 10.0**decimals
            if np.abs(whole).max() > _EXACT or not np.allclose(whole, np.rint(whole), rtol=1e-9, atol=1e-6):
                break
        else:
            return float(np.gcd.reduce(np.rint(whole).astype(np.int64))) / 10.0**decimals
    return 0.0


def _refuse_many(file: str, name: str, words: list[str], rows: int, category: bool) -> None:
    """Raise UnclearError for text that names or describes rather than classifies: few words come back often."""
    different = not category and (len(words) > max(20, rows // 3) or len(words) > max(5, 0.9 * rows))
    if len(words) <= MOST_WORDS and not different:
        return
    keeps = not category and len(words) <= MOST_WORDS
    digits = not category and code_among(words) is not None
    keeps_numbers = f", dataset.numeric=[{name}] reads numbers" if digits else ""
    choice = f", dataset.categorical=[{name}] keeps it as classes" if keeps else ""
    differ = len(words) == rows and not category
    names = differ and all(len(word) <= _LONGEST_NAME and len(word.split()) == 1 for word in words)
    beside = f"dataset.id={name} names rows by it, " if differ else ""
    drop = {"drop": [name]}
    message = (
        f"{file}: column '{name}' holds {len(words)} different words in {rows} rows, such as '{words[0]}': not classes. "
        f"{beside}dataset.drop=[{name}] leaves it out{choice}{keeps_numbers}."
    )
    raise UnclearError([Problem(message, {"id": name}, drop) if names else Problem(message, drop)])


def refuse_missing(frame: Frame, names: Sequence[str]) -> None:
    """Raise UnclearError naming the columns that lack values: what `dataset.missing=refuse` asks for."""
    problems = []
    for name in names:
        gone = np.isnan(frame.columns[name].values)
        if gone.any():
            opening = f"{frame.where(name, int(gone.argmax()))}: no value ({int(gone.sum())} in this column), and "
            problems.append(Problem(f"{opening}dataset.missing=refuse: fill or keep would read it.", {"missing": "fill"}))
    if problems:
        raise UnclearError(problems)


def encode(frame: Frame, features: Sequence[Feature], rows: Rows) -> Tensor:
    """Return the rows as samples (n, columns), float32: see `Feature` for what is stored."""
    samples = np.empty((len(rows), len(features)), dtype=np.float32)
    for i, feature in enumerate(features):
        samples[:, i] = own_values(frame, feature)[rows]
    return torch.from_numpy(samples)


def blocks(frame: Frame, features: Sequence[Feature]) -> Iterator[NDArray[np.float32]]:
    """Yield all rows as `encode` gives them, from the first on, in pieces; mapped columns do not stay in memory."""
    step = max(1, min(_PIECE, _CELLS // max(1, len(features))))
    for first in range(0, len(frame), step):
        part = slice(first, first + step)
        columns = {f.name: frame.columns[f.name].part(part) for f in features}
        rows = len(next(iter(columns.values())))
        yield encode(replace(frame, columns=columns), features, np.arange(rows)).numpy()
        for feature in features:
            frame.columns[feature.name].forget()


def own_values(frame: Frame, feature: Feature) -> Values:
    """Return a column as its feature stores it, of all rows, float64. AerunError where its kind is another one.

    A word is known by its value where it is spelt otherwise: 1.0 is 1, TRUE is True.
    """
    column = frame.columns[feature.name]
    if feature.kind == "category":
        column = column.as_text()
        if feature.hash:
            return moved(column.values, [group_of(w, feature.hash) for w in column.words])
        rest = len(feature.words) - 1 if feature.other else -1
        exact = {w: k for k, w in enumerate(feature.words)}
        alike: dict[str | float, int] = {}
        for k, w in enumerate(feature.words):
            alike[canonical(w)] = -1 if canonical(w) in alike else k
        return moved(column.values, [exact.get(w, _known(alike, w, rest)) for w in column.words])
    if feature.kind == "date" and column.kind == "text":
        return _seconds(frame, feature.name, column) - feature.origin
    truth = [{"false": 0.0, "true": 1.0}.get(w.lower()) for w in column.words]
    if feature.kind == "number" and column.kind == "text" and truth and None not in truth:
        return moved(column.values, [t for t in truth if t is not None])
    if column.kind != feature.kind and not np.isnan(column.values).all():
        row = int((~np.isnan(column.values)).argmax())
        raise AerunError(f"{frame.where(feature.name, row)}: a {column.kind}, where training rows hold {feature.kind}s.")
    return column.values - feature.origin


def _known(alike: Mapping[str | float, int], word: str, rest: int) -> int:
    """Return the place of a word that is spelt like no other but has the value of one; `rest` where it has none's."""
    place = alike.get(canonical(word), -1)
    return rest if place < 0 else place


def _seconds(frame: Frame, name: str, column: Column) -> Values:
    """Return text that must be dates, in seconds since 1970."""
    times = [seconds(w) for w in column.words]
    for place, (word, second) in enumerate(zip(column.words, times, strict=True)):
        if second is None:
            row = int((column.values == place).argmax())
            raise AerunError(f"{frame.where(name, row)}: '{word}' is not a date in ISO 8601, as the training rows are.")
    table = np.array([*(s for s in times if s is not None), np.nan])
    return table[np.where(np.isnan(column.values), len(times), column.values).astype(np.int64)]
