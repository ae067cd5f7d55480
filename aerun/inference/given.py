"""What a model is told of samples beforehand when it is asked: by the question, or by the samples' own columns."""

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError, nearest
from aerun.dataset.tables.columns import own_values
from aerun.dataset.telling import LABEL
from aerun.formats.frame import Frame, Words
from aerun.formats.number_words import matching
from aerun.formats.reading import Reading
from aerun.formats.tables import from_columns
from aerun.inference.columns import FORMATS
from aerun.preparation.feature import Feature
from aerun.preparation.told import Conditions

log = logging.getLogger("aerun")

_SHOWN = 12


class Given:
    """The conditions (n, columns) of samples, as `Feature` stores them.

    A value of the question (`--condition site=A`, `Model.given(site="A")`) counts before the column of a file or a frame; what
    neither says is unknown, which AerunError refuses where training knew it of every sample. label: another name of the
    condition where it is the only one, as in `label=3`.
    """

    def __init__(self, conditions: Conditions, reading: Reading, values: Mapping[str, Any]) -> None:
        self.conditions, self.reading = conditions, reading
        if values and not conditions.read:
            raise AerunError(
                f"condition {next(iter(values))}: {conditions.names} was told to terms of training alone "
                "(dataset.condition_to=terms), and the model answers without."
            )
        self.values = {self._name(k): v for k, v in values.items()}
        self.columns: Mapping[str, Words] = {}  # what a file says of its samples that are no table
        self.said = set[str]()

    def of_file(self, columns: Mapping[str, Words]) -> "Given":
        """Return the same for the samples of a file that says these conditions (n,) of each, as words."""
        given = copy(self)
        given.columns = columns
        return given

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what is told."""
        return self.conditions.features

    def _name(self, name: str) -> str:
        known = [f.name for f in self.features]
        if name == LABEL and len(known) == 1:
            return known[0]
        found = matching(name, known)
        if found is None:
            raise AerunError(f"condition {name}: this run is told {', '.join(known)}{nearest(name, known)}.")
        return found

    def of(self, n: int, frame: Frame | None = None) -> Tensor:
        """Return the conditions of n samples, (n, columns). frame: their columns, where they have names."""
        if not self.conditions.read:
            return torch.full((n, len(self.features)), torch.nan)
        columns = [self._column(f, n, frame) for f in self.features]
        values = torch.from_numpy(np.stack(columns, 1).astype(np.float32))
        gone = self.conditions.unknown(values)
        if bool(gone.any()):
            if not self.conditions.nullable or (self.values and self._lacks(frame)):
                self._refuse(values[int(gone.int().argmax())])
            self._tell(int(gone.sum()), n)
        return values

    def _lacks(self, frame: Frame | None) -> bool:
        """Return whether something is told neither by the question nor by a column."""
        known = {*self.values, *self.columns, *(frame.columns if frame is not None else ())}
        return any(f.name not in known for f in self.features)

    def _tell(self, gone: int, n: int) -> None:
        """Say once of how many samples the model is told nothing."""
        if not self.said:
            of = "any sample" if gone == n else f"{gone} of {n} samples"
            words = "condition: %s of %s is empty, not there or new to the model, which is told nothing of them."
            log.warning(words, self.conditions.names, of)
            self.said.add(words)

    def random(self, n: int, generator: torch.Generator) -> Tensor:
        """Return conditions (n, columns) at random: any class, and numbers around those of training."""
        told, numbers = self.conditions, iter(range(len(self.conditions.numeric)))
        columns = []
        for feature in self.features:
            if feature.kind == "category":
                columns.append(torch.randint(len(feature.words), (n,), generator=generator).float())
            else:
                i = next(numbers)
                columns.append((told.centre[i] + torch.randn(n, generator=generator) / told.rate[i].clamp_min(1e-12)).float())
        return torch.stack(columns, 1)

    def category(self, name: str | None) -> tuple[int, int]:
        """Return the place and the number of classes of a condition; None: the only one with classes.

        AerunError where there is none, or several.
        """
        named = None if name is None else self._name(name)
        found = [(i, f) for i, f in enumerate(self.features) if f.kind == "category" and named in (None, f.name)]
        if len(found) != 1:
            among = ", ".join(f.name for f in self.features if f.kind == "category")
            raise AerunError(f"condition {named or ''}: has no classes to go through; of {among or 'what is told none has'}.")
        return found[0][0], len(found[0][1].words)

    def _column(self, feature: Feature, n: int, frame: Frame | None) -> Any:
        if feature.name in self.values:
            return self._typed(feature, n)
        if frame is not None and feature.name in frame.columns:
            return own_values(frame, feature)
        if feature.name in self.columns:
            return self._stored(feature, self.columns[feature.name])
        return np.full(n, np.nan)

    def _stored(self, feature: Feature, words: Sequence[str] | Words) -> Any:
        """Return words (n,) as a feature stores their values; -1 for a class that is not there."""
        reading = replace(self.reading, formats={feature.name: FORMATS[feature.kind]}, carried=frozenset())
        frame = from_columns({feature.name: list(words)}, f"condition {feature.name}", len(words), reading)
        return own_values(frame, feature)

    def _typed(self, feature: Feature, n: int) -> Any:
        """Return the values that the question gives, one or one of each sample. AerunError for an unknown class."""
        given = self.values[feature.name]
        cells = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)
        if len(cells) not in (1, n):
            raise AerunError(f"condition {feature.name}: {len(cells)} values for {n} samples: give one, or one for each.")
        words = [str(c.item() if isinstance(c, np.generic | Tensor) else c) for c in cells]
        values = self._stored(feature, words)
        wrong = ~(values >= 0) if feature.kind == "category" else ~np.isfinite(values)
        if wrong.any():
            raise AerunError(f"condition {feature.name}={words[int(wrong.argmax())]}: {_kinds(feature)}.")
        return np.broadcast_to(values, (n,)) if len(words) == 1 else values

    def _refuse(self, row: Tensor) -> None:
        """Raise AerunError for what is not known of a sample."""
        value, feature = next(
            (v, f)
            for v, f in zip(row.tolist(), self.features, strict=True)
            if v != v or (f.kind == "category" and not 0 <= v < len(f.words))
        )
        there = "is not there or empty" if value != value else "holds a word that no training sample has"
        raise AerunError(
            f"this run is told {feature.name} of each sample, which {there} here. --condition {feature.name}=VALUE says it of "
            f"all: {_kinds(feature)}. A column of a table says it of each."
        )


def _kinds(feature: Feature) -> str:
    """Return in words what a value may be."""
    if feature.kind != "category":
        return f"it is a {feature.kind}"
    more = ", ..." if len(feature.words) > _SHOWN else ""
    return f"it is one of {', '.join(feature.words[:_SHOWN])}{more}"
