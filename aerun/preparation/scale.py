"""Images and sequences: one scale for each channel."""

from typing import Any

import torch
from torch import Tensor

from aerun.core.facts import real_steps
from aerun.preparation.base import Preparation
from aerun.preparation.statistics import centre_and_spread, factor, quantiles


class Scale(Preparation):
    """x -> (x - c) / s with c, s of each channel (C, H, W) or feature (T, F), over all places; minmax is clipped to [0, 1].

    channels: which axis of a stored sample holds them. A channel that is constant in training becomes 0, and its inverse the
    constant. NaN, which stands behind the last step of a sequence, counts for nothing and becomes 0; `inverse` cannot know
    where it was. See `centre_and_spread` for c and s.

    missing: where samples may lack values, as rows of tables do (`Columns`), what stands for NaN: of each channel the median of
    training (fill), or its mean (keep), where losses are told which values are there (`seen`), and
    the encoder too where `shown`. None: samples are whole.
    ragged: such samples are sequences of their own lengths. What stands behind their last step becomes 0 and is no missing
    cell, see `real_steps`.
    """

    fill: Tensor  # in own units, where missing says so

    centre: Tensor
    spread: Tensor
    rate: Tensor  # 1 / spread, and 0 for a constant

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        channels: int,
        way: str,
        missing: str | None = None,
        ragged: bool = False,
        shown: bool = False,
    ) -> None:
        super().__init__()
        self.shows_gaps = missing == "keep" and shown
        self.missing, self.keeps_gaps, self.ragged = missing, missing == "keep", ragged
        self.shape, self.way, self.axis = tuple(shape), way, channels + 1
        broadcast = [n if axis == channels else 1 for axis, n in enumerate(shape)]
        self.register_buffer("centre", torch.zeros(broadcast))
        self.register_buffer("spread", torch.ones(broadcast))
        self.register_buffer("rate", torch.ones(broadcast))
        if missing is not None:  # other runs' checkpoints have no such buffer
            self.register_buffer("fill", torch.zeros(broadcast))

    @property
    def settings(self) -> dict[str, Any]:
        kept = {"missing": self.missing} if self.missing is not None else {}
        ragged = {"ragged": True} if self.ragged else {}
        shown = {"shown": True} if self.shows_gaps else {}
        return {"shape": self.shape, "channels": self.axis - 1, "way": self.way, **kept, **ragged, **shown}

    def fit(self, x: Tensor) -> None:
        there = [part[~part.isnan()] for part in x.unbind(self.axis)]
        pairs = [centre_and_spread(part, self.way) for part in there]
        if self.missing is not None:
            middle = [quantiles(v, 0.5)[0] if self.missing == "fill" else float(v.double().mean()) for v in there]
            self.fill.copy_(torch.tensor(middle).reshape(self.fill.shape))
        centre, spread = torch.tensor(pairs, dtype=torch.float64).unbind(1)
        self.centre.copy_(centre.reshape(self.centre.shape))
        self.spread.copy_(spread.reshape(self.spread.shape))
        self.rate.copy_(factor(spread).reshape(self.rate.shape))

    def forward(self, x: Tensor) -> Tensor:
        scaled = self.exact(x)
        return scaled.clamp(0, 1) if self.way == "minmax" else scaled

    def exact(self, x: Tensor) -> Tensor:
        if self.missing is not None:
            x = torch.where(self._lacking(x), self.fill.to(x.dtype), x)
        scaled = (x - self.centre) * self.rate
        return scaled.masked_fill(scaled.isnan(), 0)

    def seen(self, x: Tensor) -> Tensor | None:
        return None if self.missing is None else ~self._lacking(x)

    def _lacking(self, x: Tensor) -> Tensor:
        """Return which values (B, *S) are missing cells."""
        return x.isnan() & real_steps(x)[..., None] if self.ragged else x.isnan()

    def inverse(self, x: Tensor) -> Tensor:
        return self.centre + x * self.spread
