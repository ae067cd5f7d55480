"""What every preparation promises."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from aerun.preparation.feature import Feature
from aerun.preparation.told import Conditions


class Preparation(nn.Module, ABC):
    """A map of samples with an inverse. What it learns it keeps in buffers, so that a checkpoint holds it.

    columns: place in a stored sample and name of each numeric column, for errors told in the data's own units.
    features: what is known of each column of a table; empty where samples are none of a table. told: what the model is told of
    each sample beside its values, which is kept with it; None: nothing.
    """

    columns: Mapping[int, str] = {}
    features: tuple[Feature, ...] = ()
    keeps_gaps = False  # are missing cells judged by nobody?
    carries = False  # does the last value recorded stand for a missing one, and not the mean?
    shows_gaps = False  # and does the encoder read it?
    told: Conditions | None

    def __init__(self) -> None:
        super().__init__()
        self.register_module("told", None)

    @property
    def owners(self) -> Tensor | None:
        """Return (D,) the place in a stored sample of the value that each element stems from; None: each has its own."""
        return None

    @property
    def inputs(self) -> Tensor | None:
        """Return which elements the encoder reads and nobody judges, bool, broadcastable to *S; None: there are none."""
        return None

    @property
    def tells_seen(self) -> bool:
        """Return whether losses are told which elements count (`seen`)."""
        return self.keeps_gaps or self.inputs is not None

    def known(self, seen: Tensor) -> Tensor:
        """Return which elements (B, *S) the encoder reads as they are: those seen, and `inputs`."""
        return seen if self.inputs is None else seen | self.inputs.to(seen.device)

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given, as plain data."""

    @abstractmethod
    def fit(self, x: Tensor) -> None:
        """Learn from the training samples (n, *stored), once, before the first step."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map samples as they are stored (B, *stored) -> what the model works on (B, *S)."""

    def exact(self, x: Tensor) -> Tensor:
        """Return what `forward` gives, never clipped: (B, *S), against which a score holds a reconstruction."""
        mapped: Tensor = self(x)
        return mapped

    def target(self, x: Tensor) -> Tensor:
        """Return what reconstructions of prepared samples (B, *S) are judged against; by default these."""
        return x

    def refuse(self, x: Tensor) -> tuple[int, int, str] | None:
        """Return row, place in it and why of the first value of stored samples that it cannot take; None: it takes them all."""
        return None

    def seen(self, x: Tensor) -> Tensor | None:
        """Return which elements of `forward` are of no missing cell, (B, *S) bool; None: all."""
        return None

    def values(self, x: Tensor) -> Tensor | None:
        """Return which elements of `forward` say what a value was, not whether it is missing, (B, *S) bool; None: all."""
        return self.seen(x)

    def decided(self, x: Tensor) -> Tensor:
        """Return x (B, *S) in which every word of a category is certain: what `inverse` then gives is one that training has."""
        return x

    @abstractmethod
    def inverse(self, x: Tensor) -> Tensor:
        """Map (B, *S) -> the data's own units (B, *stored)."""

    def drawn(self, x: Tensor) -> Tensor:
        """Map drawn samples (B, *S) -> own units (B, *stored) as data have them: to their resolution, with missing cells.

        By default what `inverse` gives.
        """
        own: Tensor = self.inverse(x)
        return own


class Unchanged(Preparation):
    """Samples are worked on as they are."""

    @property
    def settings(self) -> dict[str, Any]:
        return {}

    def fit(self, x: Tensor) -> None:
        """Do nothing: there is nothing to learn."""

    def forward(self, x: Tensor) -> Tensor:
        return x

    def inverse(self, x: Tensor) -> Tensor:
        return x
