"""Images and sequences: one scale for each channel."""

from typing import Any

import torch
from torch import Tensor

from aerun.core.facts import real_steps
from aerun.preparation.base import Preparation
from aerun.preparation.carry import carried
from aerun.preparation.statistics import centre_and_spread, factor, quantiles


class Scale(Preparation):
    """x -> (x - c) / s with c, s of each channel (C, H, W) or feature (T, F), over all places; minmax is clipped to [0, 1].

    channels: which axis of a stored sample holds them. A channel that is constant in training becomes 0, and its inverse the
    constant. NaN, which stands behind the last step of a sequence, counts for nothing and becomes 0; `inverse` cannot know
    where it was. See `centre_and_spread` for c and s.

    missing: where samples may lack values, as rows of tables do (`Columns`), what stands for NaN: of each channel the median of
    training (fill), or its mean (keep), where losses are told which values are there (`seen`), and
    the encoder too where `shown`. None: samples are whole.
    carried: of sequences whose gaps are kept, the last value that was recorded stands for a missing one, and the mean before
    the first. timed: the last feature is the time since the step before, which becomes log(1 + dt / its median) and is then
    scaled as the others; the encoder reads it, nobody judges it, and its inverse is NaN.
    ragged: such samples are sequences of their own lengths. What stands behind their last step becomes 0 and is no missing
    cell, see `real_steps`.
    """

    fill: Tensor  # in own units, where missing says so
    usual: Tensor  # the median time between steps, where timed

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
        carried: bool = False,
        timed: bool = False,
    ) -> None:
        super().__init__()
        self.shows_gaps = missing == "keep" and shown
        self.missing, self.keeps_gaps, self.ragged = missing, missing == "keep", ragged
        self.carries, self.timed = missing == "keep" and carried, timed
        self.shape, self.way, self.axis = tuple(shape), way, channels + 1
        broadcast = [n if axis == channels else 1 for axis, n in enumerate(shape)]
        self.register_buffer("centre", torch.zeros(broadcast))
        self.register_buffer("spread", torch.ones(broadcast))
        self.register_buffer("rate", torch.ones(broadcast))
        if missing is not None:  # other runs' checkpoints have no such buffer
            self.register_buffer("fill", torch.zeros(broadcast))
        if timed:
            self.register_buffer("usual", torch.ones(()))

    @property
    def settings(self) -> dict[str, Any]:
        kept = {"missing": self.missing} if self.missing is not None else {}
        ragged = {"ragged": True} if self.ragged else {}
        shown = {"shown": True} if self.shows_gaps else {}
        carries = {"carried": True} if self.carries else {}
        timed = {"timed": True} if self.timed else {}
        return {"shape": self.shape, "channels": self.axis - 1, "way": self.way, **kept, **ragged, **shown, **carries, **timed}

    @property
    def inputs(self) -> Tensor | None:
        return torch.arange(self.shape[-1], device=self.centre.device) == self.shape[-1] - 1 if self.timed else None

    def fit(self, x: Tensor) -> None:
        if self.timed:
            waited = x[..., -1][x[..., -1] > 0]
            self.usual.fill_(float(waited.double().median()) if len(waited) else 1.0)
            x = self._logged(x)
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
        lacking = self._lacking(x) if self.missing is not None else None
        x = self._logged(x) if self.timed else x
        if lacking is not None:
            fill = self.fill.to(x.dtype)
            x = torch.where(lacking, carried(x, ~x.isnan(), fill), x) if self.carries else torch.where(lacking, fill, x)
        scaled = (x - self.centre) * self.rate
        return scaled.masked_fill(scaled.isnan(), 0)

    def seen(self, x: Tensor) -> Tensor | None:
        seen = None if self.missing is None else ~self._lacking(x)
        if self.inputs is None:
            return seen
        judged = (~self.inputs).expand_as(x)
        return judged if seen is None else seen & judged

    def _logged(self, x: Tensor) -> Tensor:
        """Return x (B, T, F) with log(1 + dt / usual) in the place of the time since the step before."""
        return torch.cat([x[..., :-1], (x[..., -1:].clamp_min(0) / self.usual.to(x.dtype)).log1p()], -1)

    def _lacking(self, x: Tensor) -> Tensor:
        """Return which values (B, *S) are missing cells."""
        return x.isnan() & real_steps(x)[..., None] if self.ragged else x.isnan()

    def inverse(self, x: Tensor) -> Tensor:
        own = self.centre + x * self.spread
        return own if self.inputs is None else own.masked_fill(self.inputs, torch.nan)
