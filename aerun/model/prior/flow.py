"""A learned prior: a standard normal distribution, bent by an invertible network."""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from aerun.core.checks import integer
from aerun.model.prior.density import Density
from aerun.parts import Prior
from aerun.vocabulary import wide

_MOST = 2.0  # |log scale| of one step


class Flow(Prior):
    """p(z) = N(u; 0, I) |det du/dz|, u = the code after `steps` couplings; at the start u = z.

    A coupling keeps every second unit, z_m, and maps the others to z e^{a(z_m)} + b(z_m), |a| < 2; the halves alternate.
    a and b come from a network with two layers of `hidden` units. Dinh, Sohl-Dickstein & Bengio 2017,
    https://arxiv.org/abs/1605.08803. A code of one unit has nothing to look at: its prior is a Gaussian.
    """

    learned = whole = True

    def __init__(self, *, latent_dim: int, steps: int, hidden: int) -> None:
        super().__init__()
        self.steps = integer("model.prior.steps", steps, 1)
        width = integer("model.prior.hidden", hidden, 1)
        self.nets = nn.ModuleList(_net(latent_dim, width) for _ in range(self.steps))

    def forward(self, z: Tensor) -> Distribution:
        return _Flow(len(z), self, z.shape[1])

    def to_normal(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return u (n, d) of codes z (n, d), and log |det du/dz| (n,)."""
        total = z.new_zeros(len(z))
        for i, net in enumerate(self.nets):
            a, b = self._coupling(net, z, i)
            z, total = z * a.exp() + b, total + a.sum(1)
        return z, total

    def from_normal(self, u: Tensor) -> Tensor:
        """Return the codes z (n, d) of u (n, d)."""
        for i in reversed(range(self.steps)):
            a, b = self._coupling(self.nets[i], u, i)
            u = (u - b) * (-a).exp()
        return u

    def _coupling(self, net: nn.Module, z: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return a and b (n, d), 0 for the units that step number `step` keeps."""
        moved = (torch.arange(z.shape[1], device=z.device) + step) % 2 == 0
        a, b = net(z.masked_fill(moved, 0)).chunk(2, dim=1)
        return wide(_MOST * torch.tanh(a)) * moved, wide(b) * moved


class _Flow(Density):
    def __init__(self, batch: int, flow: Flow, size: int) -> None:
        super().__init__(batch, size)
        self.flow = flow

    def log_density(self, rows: Tensor) -> Tensor:
        u, log_det = self.flow.to_normal(rows)
        return log_det - (u.square() + math.log(2 * math.pi)).sum(1) / 2

    def draw(self, n: int) -> Tensor:
        like = next(self.flow.parameters())
        return self.flow.from_normal(torch.randn(n, *self.event_shape, dtype=like.dtype, device=like.device))


def _net(size: int, hidden: int) -> nn.Module:
    """Return a network from (n, d) to (n, 2d) that is 0 before it is trained."""
    last = nn.Linear(hidden, 2 * size)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), last)
