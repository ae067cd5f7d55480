"""Planar steps: each bends space along one direction, at one place of another."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from aerun.model.bottleneck.bent import Steps

_TINY = 1e-12
_SHIFT = math.log(math.e - 1)  # softplus of it is 1
_ROUNDS = 60  # of halving, which leaves 1e-18 of an interval


class Planar(Steps):
    """f(z) = z + u^ tanh(w^T z + b), one after another; parameters (B, steps * (2d + 1)) are u, w and b of each step.

    u^ = u + (m(w^T u) - w^T u) w / ||w||^2 with m(t) = softplus(t + log(e - 1)) - 1 > -1, so that w^T u^ > -1 and f can be
    inverted; log |det| = log(1 + (1 - tanh^2) w^T u^). Rezende & Mohamed 2015, https://arxiv.org/abs/1505.05770, have
    m(t) = softplus(t) - 1, whose u^ grows without bound as w becomes small; ours is u there. What is inverted is one
    number, w^T z.
    """

    def __init__(self, parameters: Tensor, size: int, steps: int) -> None:
        each = parameters.unflatten(1, (steps, 2 * size + 1))
        u, self.w, self.b = each[..., :size], each[..., size : 2 * size], each[..., 2 * size]  # (B, steps, d), ..., (B, steps)
        along = (self.w * u).sum(-1)
        self.share = softplus(along + _SHIFT)  # 1 + w^T u^, positive
        self.u = u + ((self.share - 1 - along) / self.w.square().sum(-1).clamp_min(_TINY))[..., None] * self.w

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(z.shape[:-1])
        for i in range(self.b.shape[1]):
            bend = torch.tanh((self.w[:, i] * z).sum(-1) + self.b[:, i])
            z = z + self.u[:, i] * bend[..., None]
            # 1 + (1 - t^2) w^T u^, as a sum of what is not negative
            total = total + (bend.square() + (1 - bend.square()) * self.share[:, i]).log()
        return z, total

    def inverse(self, z: Tensor) -> Tensor:
        for i in reversed(range(self.b.shape[1])):
            place = (self.w[:, i] * z).sum(-1)
            bend = torch.tanh(self._solved(place, i) + self.b[:, i])
            z = z - self.u[:, i] * bend[..., None]
        return z

    def _solved(self, place: Tensor, step: int) -> Tensor:
        """Return a with a + w^T u^ tanh(a + b) = place, by halving; a last step of Newton's carries the gradients."""
        reach, b = (self.w[:, step] * self.u[:, step]).sum(-1), self.b[:, step]
        with torch.no_grad():
            low, high = place - reach.abs(), place + reach.abs()
            for _ in range(_ROUNDS):
                middle = (low + high) / 2
                above = middle + reach * torch.tanh(middle + b) > place
                low, high = torch.where(above, low, middle), torch.where(above, middle, high)
            a = (low + high) / 2
            slope = (1 + reach * (1 - torch.tanh(a + b).square())).clamp_min(_TINY)
        return a - (a + reach * torch.tanh(a + b) - place) / slope
