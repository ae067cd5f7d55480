"""The anomaly protocol: a model learns what is normal, and is tested on everything."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.text import counted
from aerun.dataset.splits import Data, Split

log = logging.getLogger("aerun")

_MANY = 50  # anomalies of a test split that judge a model well enough
_OTHER = "take another split (dataset.val, dataset.split) or other classes for dataset.normal"
_REMEDY = {
    "sequence": "one anomalous step makes a window an anomaly, so take a shorter dataset.window, or another split "
    "(dataset.val, dataset.split)"
}
_SEED = 20181  # the draw of anomalies belongs to the data set, not to the run


def share_of_anomalies(contamination: float) -> float:
    """Return `dataset.contamination`. Raise AerunError unless most of the data stay normal."""
    if isinstance(contamination, bool) or not isinstance(contamination, int | float) or not 0 <= contamination < 0.5:
        raise AerunError(f"dataset.contamination={contamination}: must lie between 0 and 0.5: most of the data are normal.")
    return float(contamination)


def normal_only(data: Data, facts: Facts, normal: Sequence[int], contamination: float, seed: int = _SEED) -> Data:
    """Return splits whose training and validation samples are of the classes `normal` alone.

    The test split stays as it is, prevalence included. What else was in the training and validation splits is left out.

    contamination: the share of the training samples that are not normal after all, drawn by `seed` from those that were left
    out of training. Validation stays clean, so that thresholds taken from it are of normal data. After Ruff et al. 2018,
    https://proceedings.mlr.press/v80/ruff18a.html.

    Raises AerunError without labels, for a class that is not there, where every class is normal, and where there are not so
    many anomalies.
    """
    share_of_anomalies(contamination)
    if data.train.y is None or data.val.y is None:
        raise AerunError("dataset.normal needs labels, and this data set has none.")
    count = facts.classes or int(data.train.y.max()) + 1
    if wrong := [c for c in normal if not 0 <= c < count]:
        raise AerunError(f"dataset.normal={list(normal)}: no class {wrong[0]}; the classes are 0..{count - 1}.")
    if not 0 < len(set(normal)) < count:
        raise AerunError(
            f"dataset.normal={list(normal)}: names {'every class' if normal else 'no class'}: nothing to tell apart."
        )
    kept = _rows(data.train.y, normal)
    kept = torch.cat([kept, _drawn(data.train.y, normal, contamination, len(kept), seed)])
    train, val = data.train.take(kept), data.val.take(_rows(data.val.y, normal))
    for part, samples, all_ in (("training", train, data.train), ("validation", val, data.val)):
        if not len(samples):
            none = f"dataset.normal={list(normal)}: none of the {counted(len(all_), f'{part} sample')} is normal"
            raise AerunError(f"{none}: {_REMEDY.get(facts.kind, _OTHER)}.")
    _tell_left_out(data, replace(data, train=train, val=val), normal)
    return replace(data, train=train, val=val)


def _tell_left_out(data: Data, kept: Data, normal: Sequence[int]) -> None:
    """Warn how many samples of other classes are neither trained on nor tested."""
    gone = {
        part: len(all_) - len(rest)
        for part, all_, rest in (("training", data.train, kept.train), ("validation", data.val, kept.val))
    }
    if not any(gone.values()) or data.test.y is None:
        return
    tested = int(anomalies(data.test, normal).sum())
    words = f"{' and '.join(f'{n:,} {part}' for part, n in gone.items() if n)} samples of other classes are left out"
    more = (
        ", and none of those left out; a test split of your own can hold them all: dataset.test_path, a column dataset.split, "
        "or of images folders train and test (docs/guides/data.md)"
        if tested < _MANY
        else ""
    )
    log.warning("dataset.normal: %s; the test split has %s of them%s.", words, f"{tested:,}", more)


def normal_rows(rows: Data, classes: Sequence[str], normal: Sequence[int] | None, contamination: float) -> Data:
    """Apply `normal_only` to splits given as row numbers, before the samples are read; return all rows for `normal` None."""
    if normal is None:
        return rows
    facts = Facts(shape=(1,), kind="table", unit=1.0, low=None, high=None, classes=len(classes) or None)
    return normal_only(rows, facts, normal, contamination)


def decided_rows(rows: Data, option: str) -> Data:
    """Return the splits without the rows whose class is -1, and log how many are left out.

    A missing value leaves these rows undecided: they are neither normal nor anomalies. Raises AerunError where a split is then
    empty.
    """
    if rows.train.y is None or rows.val.y is None or rows.test.y is None:
        return rows
    kept = {part: (split.y >= 0).nonzero().flatten() for part, split in _parts(rows).items() if split.y is not None}
    gone = {part: len(split) - len(kept[part]) for part, split in _parts(rows).items()}
    if not any(gone.values()):
        return rows
    counts = ", ".join(f"{n} of {part}" for part, n in gone.items() if n)
    log.warning(
        "dataset=%s: a missing value leaves undecided whether %d rows are normal (%s): they are left out.",
        option, sum(gone.values()), counts,
    )  # fmt: skip
    for part, index in kept.items():
        if not len(index):
            raise AerunError(
                f"dataset.normal: no row of the {part} split is decided: all lack a value that the query asks for."
            )
    train, val, test = (split.take(kept[part]) for part, split in _parts(rows).items())
    return Data(train, val, test)


def _parts(rows: Data) -> dict[str, Split]:
    return {"training": rows.train, "validation": rows.val, "test": rows.test}


def _rows(y: Tensor, normal: Sequence[int]) -> Tensor:
    return torch.isin(y, torch.tensor(list(normal))).nonzero().flatten()


def _drawn(y: Tensor, normal: Sequence[int], share: float, clean: int, seed: int) -> Tensor:
    """Return rows of anomalies, as many as make them `share` of the whole."""
    others = (~torch.isin(y, torch.tensor(list(normal)))).nonzero().flatten()
    count = round(share * clean / (1 - share))
    if count > len(others):
        most = len(others) / (len(others) + clean)
        raise AerunError(
            f"dataset.contamination={share}: asks for {count} anomalies among the training samples; there are {len(others)}. "
            f"At most {most:.3g}."
        )
    return others[torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))[:count]]


def anomalies(samples: Split, normal: Sequence[int]) -> Tensor:
    """Return the truth that scores are judged by: (n,), True where a sample is not of the classes `normal`."""
    if samples.y is None:
        raise AerunError("anomalies are told by labels, and this data set has none.")
    return ~torch.isin(samples.y, torch.tensor(list(normal)))


def tell_one_sided(option: str, truth: Tensor) -> None:
    """Warn where the test split has only normal samples or only anomalies, so that nothing can be judged by it.

    truth: (n,), True for anomalies.
    """
    if not truth.any() or truth.all():
        lacks = "normal samples" if truth.all() else "anomalies"
        words = "dataset=%s: there are no %s in the test split (%s): detection cannot be judged by it."
        log.warning(words, option, lacks, counted(len(truth), "sample"))
