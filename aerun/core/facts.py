"""What is known of a data set before it is read, and how its stored samples become the model's input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True)
class Facts:
    """What a data set declares of itself, compared with what is really loaded.

    shape: of one sample: (C, H, W) for kind image, (D,) for table, (T, F) for sequence, (T, V) for text. unit: stored value
    that means 1.0 (255 for bytes). low, high: range after division by `unit`; None where unbounded. ragged: samples have
    lengths of their own, up to T; missing steps are stored as NaN (text: -1) behind the last one. tokens: the V symbols of
    text, which is stored as their numbers (n, T). binarize: grey values are probabilities, drawn anew for every training batch.
    prepared_from: shape of one stored sample where a preparation stands between it and the model; low and high then hold
    behind the preparation. gaps: samples may lack values (NaN), which the preparation deals with; see `real_steps`. told: how
    many values stand behind each stored sample that say what is known of it beforehand, its condition: a stored sample is then
    a row of all its own values and these. columns: of a prepared table (name, kind, start, length) of each run of elements of x
    that say one thing, in order: a number or date, a category (one element a word), or the mark of a column's missing cells.
    uneven: the share of steps of a series that come much earlier or later than usual, where it is more than a few and nothing
    tells the model so; else 0. source: where one array is computed of another, how many elements of a sample are those that
    the encoder reads; the others, behind them, are what is judged. 0: a sample is both.
    """

    shape: tuple[int, ...]
    kind: str
    unit: float
    low: float | None
    high: float | None
    classes: int | None
    ragged: bool = False
    tokens: tuple[str, ...] = ()
    binarize: bool = False
    prepared_from: tuple[int, ...] | None = None
    gaps: bool = False
    told: int = 0
    columns: tuple[tuple[str, str, int, int], ...] = ()
    uneven: float = 0.0
    source: int = 0

    @property
    def size(self) -> int:
        """Return D, the number of elements of one sample."""
        return int(torch.Size(self.shape).numel())

    @property
    def stored(self) -> tuple[int, ...]:
        """Return the shape of one sample as it is stored, without its condition."""
        if self.prepared_from is not None:
            return self.prepared_from
        return self.shape[:1] if self.tokens else self.shape

    @property
    def row(self) -> tuple[int, ...]:
        """Return the shape of one sample as it is stored, its condition included."""
        return (int(torch.Size(self.stored).numel()) + self.told,) if self.told else self.stored

    def own(self, stored: Tensor) -> Tensor:
        """Return stored samples (B, *stored) without the conditions behind them."""
        return stored[:, : -self.told].reshape(-1, *self.stored) if self.told else stored

    def conditions(self, stored: Tensor) -> Tensor:
        """Return the conditions (B, told) behind stored samples, in the values of their columns."""
        return stored[:, stored.shape[1] - self.told :].float()

    def joined(self, own: Tensor, conditions: Tensor) -> Tensor:
        """Return samples (n, *stored) as they are stored with conditions (n, told) behind them."""
        return torch.cat([own.flatten(1), conditions.to(own.dtype)], 1)

    def units(self, stored: Tensor) -> Tensor:
        """Map stored samples to x (B, *S) in the units that the model works in, zero where there is no step.

        Where a preparation follows, the result is the preparation's input, with NaN where there is no step.
        """
        stored = self.own(stored)
        if self.tokens:
            ids = stored.long()
            return one_hot(ids.clamp_min(0), len(self.tokens)).float() * (ids >= 0)[..., None]
        x = stored if stored.is_floating_point() else stored.float()
        if self.ragged and self.prepared_from is None:  # a preparation fills them otherwise
            x = x.masked_fill(x.isnan(), 0)
        return x if self.unit == 1 else x / self.unit

    def valid(self, stored: Tensor) -> Tensor | None:
        """Return (B, T), True where a sequence really has a step; None where all samples are whole."""
        if not self.ragged:
            return None
        stored = self.own(stored)
        if self.gaps:
            return real_steps(stored)
        return stored >= 0 if self.tokens else ~stored[..., 0].isnan()


def facts_from(plain: Mapping[str, Any]) -> Facts:
    """Return the facts that were written as plain data, in which tuples have become lists."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
    values["columns"] = tuple(tuple(column) for column in values.get("columns", ()))
    return Facts(**values)


def real_steps(stored: Tensor) -> Tensor:
    """Return (B, T), True for the steps of sequences (B, T, F) that lack values (NaN) up to the last one that holds any.

    What lacks before it is a missing cell; what stands behind it is no step.
    """
    number = torch.arange(1, stored.shape[1] + 1, device=stored.device)
    last = ((~stored.isnan()).any(-1) * number).amax(1, keepdim=True)
    return number <= last


def valid_weight(valid: Tensor | None, x: Tensor, seen: Tensor | None = None) -> Tensor | float:
    """Return the weight of each element of x (B, *S).

    It is 1 where `valid` (B, T) has a step and `seen` (B, *S) a recorded value, and 0 elsewhere; the number 1 where all samples
    are whole.
    """
    if valid is None:
        return 1.0 if seen is None else seen.to(x.dtype)
    steps = valid.to(x.dtype).reshape(*valid.shape, *[1] * (x.ndim - valid.ndim)).expand_as(x)
    return steps if seen is None else steps * seen


def known_weight(beside: Mapping[str, Tensor], x: Tensor) -> Tensor | float:
    """Return `valid_weight` of samples x (B, *S) by what is known beside them: `valid` and `seen`, where there are any."""
    return valid_weight(beside.get("valid"), x, beside.get("seen"))
