"""What the model of a data set is told of each sample beforehand (`dataset.condition`), beside its values."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from aerun.core.checks import integer, matches_type, one_of, within
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.splits import Data
from aerun.dataset.storage.array_store import store_rows
from aerun.dataset.storage.mapped import Mapped
from aerun.preparation.feature import Feature
from aerun.preparation.told import Conditions
from aerun.settings.conditions import SETTINGS

log = logging.getLogger("aerun")

LABEL = "label"
SIDES = ("normal", "anomaly")  # what a label says where some classes are normal
OWN = "own"  # under which `Data.kept` holds samples without what is told of them
_ROWS = 8192  # that are written to disk in one piece
TO = ("both", "decoder", "terms")  # encoder and decoder; the decoder alone; only terms of the objective


@dataclass(frozen=True)
class Telling:
    """What is told: of each sample its label, or columns of its row.

    drop: the share of training samples of which nothing is told. to: whom, one of `TO`. labelled: how many training samples are
    told at all, as many of each class; None: all. draw: which ones.
    """

    condition: str | tuple[str, ...]
    drop: float = 0.0
    to: str = "both"
    labelled: int | None = None
    draw: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that are told; none where it is the label."""
        return () if isinstance(self.condition, str) else self.condition

    @property
    def words(self) -> str:
        """Return what is said behind the names of what is told; empty where encoder and decoder are told it of all samples."""
        whom = {"both": "", "decoder": "the decoder alone", "terms": "terms of the objective alone"}[self.to]
        few = f"of {self.labelled:,} training samples" if self.labelled is not None else ""
        left = f"not of {100 * self.drop:g} % of the training samples" if self.drop else ""
        said = ", ".join(part for part in (few, left, whom) if part)
        return f" ({said})" if said else ""

    def conditions(self, features: Sequence[Feature]) -> Conditions:
        """Return the module that turns these into numbers, not yet fitted."""
        nullable = self.drop > 0 or self.labelled is not None or self.to == "terms"
        told = {"encoder": self.to == "both", "decoder": self.to != "terms"}
        return Conditions(features=features, drop=self.drop, nullable=nullable, **told)


def telling_of(settings: dict[str, Any]) -> Telling | None:
    """Return what settings of a data set ask to be told; None: nothing. AerunError for what cannot be meant."""
    condition, drop, to, labelled, draw = (settings[k] for k in SETTINGS)
    drop = within("dataset.condition_drop", drop, 0, 1)
    to = one_of("dataset.condition_to", to, TO)
    if condition is None:
        for key, value in (
            ("condition_drop", drop or None),
            ("labelled", labelled),
            ("condition_to", None if to == "both" else to),
        ):
            if value is not None:
                raise AerunError(f"dataset.{key}={value}: nothing is told. Add dataset.condition=label, or columns, as [site].")
        return None
    if not matches_type(condition, str | list[str]) or not condition:
        raise AerunError(f"dataset.condition={condition}: must be null, label, or a list of columns, such as [site,age].")
    if isinstance(condition, str) and condition != LABEL:
        raise AerunError(
            f"dataset.condition={condition}: the classes are called label; a column is dataset.condition=[{condition}]."
        )
    told = condition if isinstance(condition, str) else tuple(dict.fromkeys(condition))
    count = None if labelled is None else integer("dataset.labelled", labelled, 1)
    return Telling(told, drop, to, count, integer("dataset.labelled_draw", draw, 0))


def of_classes(names: Sequence[str], name: str) -> tuple[Feature, ...]:
    """Return the label as what is told. AerunError where a data set, called `name`, has no classes."""
    if len(names) < 2:
        raise AerunError(f"dataset.condition=label: dataset={name} has no classes{' but one' if names else ''} to tell.")
    return (Feature(LABEL, "category", tuple(names)),)


def untold(telling: Telling, features: Sequence[Feature], values: Sequence[Tensor]) -> dict[str, int]:
    """Return of how many samples of each split, by its name, a model that may be told nothing is told nothing, and say so."""
    conditions = telling.conditions(features)
    counts = {f"untold/{k}": int(conditions.unknown(v).sum()) for k, v in zip(("train", "val", "test"), values, strict=True)}
    counts = {k: n for k, n in counts.items() if n}
    if counts and conditions.nullable:
        words = ", ".join(f"{n} of {k.partition('/')[2]}" for k, n in counts.items())
        log.warning(
            "dataset.condition: no known %s in some samples (%s): the model is told nothing of them.", conditions.names, words
        )
    return counts


def joined(
    telling: Telling, features: Sequence[Feature], data: Data, values: Sequence[Tensor], facts: Facts, cache: str | None = None
) -> Data:
    """Return samples with what is told of them, three times (n, columns), behind each. AerunError for what cannot be told.

    cache: the folder for samples that are read from disk, which are written there once more with what is told.
    """
    train, val, test = values
    conditions = telling.conditions(features)
    if telling.labelled is not None:
        train = _few(train, telling.labelled, features, telling.draw)
    if not conditions.nullable:
        for name, part in (("training", train), ("validation", val), ("test", test)):
            _refuse_unknown(part, conditions, name)
    splits = (data.train, data.val, data.test)
    if not any(isinstance(split.x, Mapped) for split in splits):
        rows = [_behind(split.x, told, conditions, facts) for split, told in zip(splits, (train, val, test), strict=True)]
        return Data(*(replace(split, x=x) for split, x in zip(splits, rows, strict=True)))
    rows = _on_disk([split.x for split in splits], (train, val, test), conditions, facts, cache)
    whole = Data(*(replace(split, x=x) for split, x in zip(splits, rows, strict=True)))
    whole.kept(OWN, lambda: data)
    return whole


def _behind(x: Tensor, values: Tensor, conditions: Conditions, facts: Facts) -> Tensor:
    """Return samples with conditions behind them: bytes stay bytes where they can, and what is unknown of them is 255."""
    x = x.to(torch.int16) if x.dtype == torch.uint8 and int(conditions.sizes.max()) >= 255 else x
    unknown = conditions.unknown(values)[:, None]
    gone = float("nan") if x.is_floating_point() else 255 if x.dtype == torch.uint8 else -1
    return facts.joined(x, values.masked_fill(unknown, gone))


def _on_disk(
    parts: Sequence[Tensor], values: Sequence[Tensor], conditions: Conditions, facts: Facts, cache: str | None
) -> list[Tensor]:
    """Return the same of samples on disk, one mapped tensor for each part, once they are in a file in `cache`."""

    def blocks() -> Iterator[Any]:
        for x, own in zip(parts, values, strict=True):
            for first in range(0, len(x), _ROWS):
                some = slice(first, first + _ROWS)
                yield _behind(x[some], own[some], conditions, facts).numpy()

    digest = hashlib.sha256()
    for own in values:
        digest.update(own.contiguous().numpy().tobytes())
    about = [(str(x.file.path), x.first) for x in parts if isinstance(x, Mapped)], digest.hexdigest()
    counts = [len(x) for x in parts]
    places = [p.clone() for p in torch.arange(sum(counts)).split(counts)]
    dtype = torch.from_numpy(next(blocks())).dtype
    stored = store_rows("told", about, sum(counts), blocks, places, cache, dtype)
    log.warning("dataset.condition: what is told of samples on disk is kept behind each, in %s.", stored[0].file.path)  # type: ignore[attr-defined]
    return stored


def _few(values: Tensor, count: int, features: Sequence[Feature], draw: int) -> Tensor:
    """Return values of which `count` samples, as many of each class, are told, and NaN for all others."""
    if len(features) != 1 or features[0].kind != "category":
        raise AerunError(f"dataset.labelled={count}: counts samples of each class, and needs one condition that is a class.")
    classes, per = len(features[0].words), count // len(features[0].words)
    if per < 1 or per * classes != count:
        raise AerunError(f"dataset.labelled={count}: must be a multiple of the {classes} classes, as each has as many.")
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(draw))
    kept = torch.full_like(values, torch.nan)
    for k in range(classes):
        rows = order[values[order, 0] == k][:per]
        if len(rows) < per:
            word = features[0].words[k]
            raise AerunError(f"dataset.labelled={count}: {per} of each class, and {len(rows)} training samples are of {word}.")
        kept[rows] = values[rows]
    return kept


def _refuse_unknown(values: Tensor, conditions: Conditions, part: str) -> None:
    unknown = conditions.unknown(values)
    if not bool(unknown.any()):
        return
    row = int(unknown.int().argmax())
    raise AerunError(
        f"dataset.condition: {int(unknown.sum())} {part} samples, the first in place {row + 1}, have no value of "
        f"{conditions.names}, or one that no training sample has. dataset.condition_drop=0.1 teaches the model such samples."
    )
