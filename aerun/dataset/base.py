"""What every data set is."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.compose import option
from aerun.core.checks import matches_type
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.kept import kept_warnings
from aerun.dataset.labels import Normal, places
from aerun.dataset.normal import anomalies, normal_only, share_of_anomalies, tell_one_sided
from aerun.dataset.recorded_steps import RecordedSteps
from aerun.dataset.splits import Data, Split, split
from aerun.dataset.storage.store import Shards
from aerun.dataset.tables.decisions import Decision
from aerun.dataset.telling import OWN, SIDES, Telling, joined, of_classes, untold
from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.feature import Feature

__all__ = ["Data", "Dataset", "Split", "split", "validate_data"]  # what a data set of one's own is written with

log = logging.getLogger("aerun")


@dataclass(frozen=True)
class Clusters:
    """Round Gaussian clusters: centres (K, *S), and the deviation of samples from theirs."""

    centres: Tensor
    deviation: float


class Dataset(ABC):
    """A source of samples.

    normal, contamination: the anomaly protocol, see `normal_only`. selects: `read` itself keeps to it, so that what is left
    out need not be read. telling: what its model is told of each sample beforehand.
    """

    telling: Telling | None = None
    normal: Normal = None
    contamination: float = 0.0
    selects = False

    @property
    def shared_steps(self) -> int:
        """Return how many samples in a row share a part, as overlapping windows do: error bars count them as one."""
        return 1

    def set_normal_classes(self, normal: Normal, contamination: float) -> None:
        """Train on the classes `normal` alone (None: all): called by `build`, before anything is read.

        AerunError for senseless settings.
        """
        if not matches_type(normal, int | float | str | Sequence[int | float | bool | str] | None):
            raise AerunError(f"dataset.normal={normal}: must be null, a class or a list of classes.")
        self.normal, self.contamination = normal, share_of_anomalies(contamination)
        self.refuse_protocol()

    def set_told(self, telling: Telling | None) -> None:
        """Set what the model is told of each sample beforehand: called by `build`, behind `set_normal_classes`.

        AerunError for what this data set cannot tell, and for the classes that say what is normal.
        """
        self.telling = telling
        if telling is not None and not telling.columns and self.normal is not None and telling.to != "terms":
            raise AerunError(
                "dataset.condition=label: with dataset.normal the label says what is to be found out. Terms of the objective "
                "can be told which training samples are anomalies: dataset.condition_to=terms."
            )

    def refuse_protocol(self) -> None:
        """Raise AerunError where the protocol asks for what this data set does not have."""
        if self.contamination and self.normal is None:
            raise AerunError(f"dataset.contamination={self.contamination} needs dataset.normal.")

    @cached_property
    def notes(self) -> list[str]:
        """Return what reading changed, left out, filled in or took from evidence, as it was told: results.json keeps it."""
        return []

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return how many samples reading left out or changed, by what it was: results.json keeps it as `data/NAME`."""
        return {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return names of the classes by their numbers, as `dataset.normal` knows them; none where there are no labels."""
        return tuple(map(str, range(self.facts().classes or 0)))

    @property
    def normal_classes(self) -> tuple[int, ...] | None:
        """Return numbers of the classes that count as normal; None where nothing was said about that.

        AerunError for unknown ones.
        """
        return None if self.normal is None else places(self.normal, self.class_names)

    @abstractmethod
    def facts(self) -> Facts:
        """Return what is known without reading the data."""

    def preparation(self) -> Preparation:
        """Return what stands between stored samples and the model, not yet fitted."""
        return Unchanged()

    # -- what the model is told beforehand ---------------------------------------------------------------------------------

    @cached_property
    def told(self) -> tuple[Feature, ...]:
        """Return what the model is told of each sample; nothing where `telling` is None. AerunError for what is not there."""
        if self.telling is None:
            return ()
        if self.telling.columns:
            words = "columns are told of tables (dataset=table); of other samples their classes: dataset.condition=label."
            raise AerunError(f"dataset.condition=[{','.join(self.telling.columns)}]: {words}")
        return of_classes(SIDES if self.tells_anomalies else self.class_names, option(self))

    @property
    def tells_anomalies(self) -> bool:
        """Return whether what is told is not the class but whether a sample is normal: where some classes are."""
        return self.telling is not None and not self.telling.columns and self.normal is not None

    @property
    def label_told(self) -> str:
        """Return why codes are not judged by the label: the model is told it. Empty where it is not."""
        told = self.telling is not None and self.telling.to != "terms" and self._tells_label()
        return "needs labels that the model is not told (dataset.condition): ask for another" if told else ""

    def _tells_label(self) -> bool:
        """Return whether the label is among what is told."""
        return self.telling is not None and not self.telling.columns

    def told_values(self, data: Data) -> list[Tensor]:
        """Return what is told of the samples of each split of `data`, which `read` gave: (n, columns)."""
        normal = self.normal_classes
        if self.tells_anomalies and normal is not None:
            return [anomalies(part, normal)[:, None].float() for part in (data.train, data.val, data.test)]
        return [torch.as_tensor(part.y)[:, None].float() for part in (data.train, data.val, data.test)]

    def row_facts(self) -> Facts:
        """Return `facts()` of samples as `load` gives them, with what is told behind each."""
        return replace(self.facts(), told=len(self.told))

    def row_preparation(self) -> Preparation:
        """Return `preparation()` with the module that turns what is told into numbers."""
        preparation = self.preparation()
        if self.telling is not None:
            preparation.told = self.telling.conditions(self.told)
        return preparation

    def decisions(self) -> list[Decision]:
        """Return what was decided about each column of a file with named columns; nothing for other data."""
        return []

    def stored_reading(self) -> dict[str, Any]:
        """Return how its files were read, as plain data that a run keeps, so that its model reads others alike; else empty."""
        return {}

    def files_read(self) -> list[tuple[str, int]]:
        """Return the names and the bytes of the files that were read, where a setting may name several; else nothing."""
        return []

    def load(self) -> Data:
        """Return the samples to train, validate and test on. AerunError names what is missing or damaged."""
        with kept_warnings(self.notes):
            data = self._selected()
            if self.telling is None:
                return data
            values = self.told_values(data)
            self.counts.update(untold(self.telling, self.told, values))
            return joined(self.telling, self.told, data, values, self.row_facts(), getattr(self, "cache", None))

    def own_samples(self, data: Data) -> Data:
        """Return what `load` gave without what is told of each sample."""
        if self.telling is None:
            return data
        facts, splits = self.row_facts(), (data.train, data.val, data.test)
        return data.kept(OWN, lambda: Data(*(replace(part, x=facts.own(part.x)) for part in splits)))

    def compared_samples(self, data: Data) -> Data:
        """Return what `load` gave as runs are compared by it: a label counts once, whether or not the model is told it."""
        return data if self.telling is None or self.telling.columns else self.own_samples(data)

    @property
    def told_words(self) -> str:
        """Return what the model is told, of how many samples and whom, for people; empty where it is told nothing."""
        names = ", ".join(f.name for f in self.told)
        return names and f"{names}{self.telling.words if self.telling is not None else ''}"

    def _selected(self) -> Data:
        normal = self.normal_classes
        data = self.read()
        if normal is not None and not self.selects:
            data = normal_only(data, self.facts(), normal, self.contamination)
        if len(self.class_names) == 1:
            log.warning("dataset=%s: every sample is of the class %s.", option(self), self.class_names[0])
        if normal is not None and data.test.y is not None:
            tell_one_sided(option(self), anomalies(data.test, normal))
        return data

    def validation_starts(self) -> NDArray[np.int64] | None:
        """Return the first step (n,) of each validation sample that `load` gives, where samples are windows; else None."""
        return None

    @property
    def window_stride(self) -> int | None:
        """Return the steps from one sample to the next, where samples are windows of series; else None."""
        return None

    def test_steps(self) -> RecordedSteps | None:
        """Return the steps of the test split, where samples are windows of series; else None."""
        return None

    @abstractmethod
    def read(self) -> Data:
        """Read the data."""

    # -- what is known of the law of generated data, to hold a model against -----------------------------------------------

    def unavailable(self) -> str:
        """Return why the data cannot be read here, such as files that are not there; empty where they can, for all we know."""
        return ""

    def factors(self) -> Data | None:
        """Return the factors (n, f) that samples were made of, row for row those of `load()`, or None where none are known."""
        return None

    def clean(self) -> Data | None:
        """Return the samples before some of their values were spoilt, row for row those of `load()`, or None where unknown."""
        return None

    def lawful(self, rows: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Return which rows (n, columns) of a table, in own units, words by their places, keep its rules; None without any."""
        return None

    def clusters(self) -> Clusters | None:
        """Return where samples lie in round clusters, or None where that is not known."""
        return None

    def score(self, x: Tensor, noise: float) -> Tensor | None:
        """Return grad log p(x) of samples with Gaussian noise of this deviation on top, (B, *S), or None where unknown."""
        return None

    def atoms(self) -> Tensor | None:
        """Return the unit columns (size, atoms) that samples are sparse sums of, or None where there are none."""
        return None

    @property
    def contexts(self) -> tuple[Shards, int, Tensor] | None:
        """Return the shards that rows lie in, the rows of a context, and which of them are kept; None where there are none."""
        return None

    def parents(self) -> Tensor | None:
        """Return the number of the atom without which each one does not occur, -1 for those that have none: (N,); or None."""
        return None


def validate_data(data: Data, facts: Facts, name: str) -> Data:
    """Return `data` if it is what `facts` promised, else AerunError."""
    for part, samples in (("training", data.train), ("validation", data.val), ("test", data.test)):
        if not len(samples):
            raise AerunError(f"dataset={name}: the {part} split is empty.")
        if samples.w is not None and part != "test":
            _refuse_weights(samples.w, f"dataset={name}: the {part} split")
        if tuple(samples.x.shape[1:]) != facts.row:
            raise AerunError(f"dataset={name}: samples have shape {tuple(samples.x.shape[1:])}, expected {facts.row}.")
        if facts.prepared_from is not None and (facts.kind == "table" or facts.gaps):
            continue  # missing values and ranges are the preparation's business
        x = _real(samples.x, facts, name) if facts.ragged else facts.own(samples.x)
        low, high = (0.0, 1.0) if facts.tokens else (float(v) / facts.unit for v in x.aminmax())
        if not (low == low and abs(low) < float("inf") and abs(high) < float("inf")):
            raise AerunError(f"dataset={name}: the {part} split holds NaN or infinite values.")
        if facts.prepared_from is not None:
            continue
        if (facts.low is not None and low < facts.low) or (facts.high is not None and high > facts.high):
            raise AerunError(
                f"dataset={name}: values of the {part} split span [{low:g}, {high:g}], expected [{facts.low}, {facts.high}]."
            )
    return data


def _refuse_weights(w: Tensor, where: str) -> None:
    """Raise AerunError for weights that are missing, infinite or negative, and where none is above 0."""
    wrong = ~w.isfinite() | (w < 0)
    if bool(wrong.any()):
        value = float(w[int(wrong.int().argmax())])
        raise AerunError(f"{where} has a sample of weight {value:g}: weights are numbers from 0 on, and none is missing.")
    if not bool((w > 0).any()):
        raise AerunError(f"{where}: the weight of every sample is 0, so that none counts.")


def _real(stored: Tensor, facts: Facts, name: str) -> Tensor:
    """Return the elements of real steps; AerunError for a sequence without any, or with a gap."""
    valid = facts.valid(stored)
    assert valid is not None
    lengths = valid.sum(1)
    steps = torch.arange(valid.shape[1], device=valid.device)
    for row, wrong in enumerate((lengths == 0) | (valid != (steps < lengths[:, None])).any(1)):
        if bool(wrong):
            raise AerunError(f"dataset={name}: sequence {row} has no steps, or missing values between real ones.")
    return facts.own(stored)[valid]
