"""What is known of a data set before it is read, and how its stored samples become what the model works on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True)
class Facts:
    """Declared by a data set, held against what is really loaded.

    shape: of one sample: (C, H, W) for kind image, (D,) for table, (T, F) for sequence, (T, V) for text. unit: stored value
    that means 1.0 (255 for bytes). low, high: range after division by `unit`; None where unbounded. ragged: samples have
    lengths of their own, up to T; missing steps are stored as NaN (text: -1) behind the last one. tokens: the V symbols of
    text, which is stored as their numbers (n, T). binarize: grey values are probabilities, drawn anew for every training batch.
    prepared_from: shape of one stored sample where a preparation stands between it and the model; low and high then hold
    behind the preparation.
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

    @property
    def size(self) -> int:
        """Return number of elements of one sample, D."""
        return int(torch.Size(self.shape).numel())

    @property
    def stored(self) -> tuple[int, ...]:
        """Return shape of one sample as it is stored."""
        if self.prepared_from is not None:
            return self.prepared_from
        return self.shape[:1] if self.tokens else self.shape

    def units(self, stored: Tensor) -> Tensor:
        """Map stored samples -> x (B, *S) in the units the model works in, zero where there is no step.

        Where a preparation follows: what it works on, NaN where there is no step.
        """
        if self.tokens:
            ids = stored.long()
            return one_hot(ids.clamp_min(0), len(self.tokens)).float() * (ids >= 0)[..., None]
        x = stored if stored.is_floating_point() else stored.float()
        x = x.masked_fill(x.isnan(), 0) if self.ragged and self.prepared_from is None else x  # else a preparation does it
        return x if self.unit == 1 else x / self.unit

    def valid(self, stored: Tensor) -> Tensor | None:
        """Return (B, T): True where a sequence really has a step; None where all samples are whole."""
        if not self.ragged:
            return None
        return stored >= 0 if self.tokens else ~stored[..., 0].isnan()


def facts_from(found: Mapping[str, Any]) -> Facts:
    """Return facts that were written as plain data, in which tuples have become lists."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
    return Facts(**values)


def valid_weight(valid: Tensor | None, x: Tensor) -> Tensor | float:
    """Return weight of each element of x (B, *S).

    1 where `valid` (B, T) has a step, else 0; plainly 1 where all samples are whole.
    """
    return 1.0 if valid is None else valid.to(x.dtype).reshape(*valid.shape, *[1] * (x.ndim - valid.ndim)).expand_as(x)
