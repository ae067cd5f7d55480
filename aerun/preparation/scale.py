"""Images and sequences: one scale for each channel."""

from typing import Any

import torch
from torch import Tensor

from aerun.preparation.base import Preparation
from aerun.preparation.statistics import centre_and_spread, factor


class Scale(Preparation):
    """x -> (x - c) / s with c, s of each channel (C, H, W) or feature (T, F), over all places; minmax is clipped to [0, 1].

    channels: which axis of a stored sample holds them. A channel that is constant in training becomes 0, and its inverse the
    constant. NaN, which stands behind the last step of a sequence, counts for nothing and becomes 0; `inverse` cannot know
    where it was. See `centre_and_spread` for c and s.
    """

    centre: Tensor
    spread: Tensor
    rate: Tensor  # 1 / spread, and 0 for a constant

    def __init__(self, *, shape: tuple[int, ...], channels: int, way: str) -> None:
        super().__init__()
        self.shape, self.way, self.axis = tuple(shape), way, channels + 1
        broadcast = [n if axis == channels else 1 for axis, n in enumerate(shape)]
        self.register_buffer("centre", torch.zeros(broadcast))
        self.register_buffer("spread", torch.ones(broadcast))
        self.register_buffer("rate", torch.ones(broadcast))

    @property
    def settings(self) -> dict[str, Any]:
        return {"shape": self.shape, "channels": self.axis - 1, "way": self.way}

    def fit(self, x: Tensor) -> None:
        pairs = [centre_and_spread(part[~part.isnan()], self.way) for part in x.unbind(self.axis)]
        centre, spread = torch.tensor(pairs, dtype=torch.float64).unbind(1)
        self.centre.copy_(centre.reshape(self.centre.shape))
        self.spread.copy_(spread.reshape(self.spread.shape))
        self.rate.copy_(factor(spread).reshape(self.rate.shape))

    def forward(self, x: Tensor) -> Tensor:
        scaled = self.exact(x)
        return scaled.clamp(0, 1) if self.way == "minmax" else scaled

    def exact(self, x: Tensor) -> Tensor:
        scaled = (x - self.centre) * self.rate
        return scaled.masked_fill(scaled.isnan(), 0)

    def inverse(self, x: Tensor) -> Tensor:
        return self.centre + x * self.spread
