"""An invertible network that bends a standard normal distribution."""

import math

import torch
from torch import Tensor, nn

from aerun.model.arch.layers import silent
from aerun.model.prior.density import Density
from aerun.vocabulary import wide

_MOST = 2.0  # |log scale| of one step


class Couplings(nn.Module):
    """u = f(z), (n, d) -> (n, d), by `steps` couplings; at the start u = z.

    A coupling keeps every second unit, z_m, and maps the others to z e^{a(z_m)} + b(z_m), |a| < 2; the halves alternate. a and
    b come from a network with two layers of `hidden` units. Dinh, Sohl-Dickstein & Bengio 2017,
    https://arxiv.org/abs/1605.08803.
    """

    def __init__(self, size: int, steps: int, hidden: int) -> None:
        super().__init__()
        self.size = size
        self.nets = nn.ModuleList(_net(size, hidden) for _ in range(steps))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return u (n, d) of codes z (n, d), and log |det du/dz| (n,)."""
        total = z.new_zeros(len(z))
        for i in range(len(self.nets)):
            a, b = self._coupling(z, i)
            z, total = z * a.exp() + b, total + a.sum(1)
        return z, total

    def inverse(self, u: Tensor) -> Tensor:
        """Return the codes z (n, d) of u (n, d)."""
        for i in reversed(range(len(self.nets))):
            a, b = self._coupling(u, i)
            u = (u - b) * (-a).exp()
        return u

    def _coupling(self, z: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return a and b (n, d), 0 for the units that step number `step` keeps."""
        moved = (torch.arange(z.shape[1], device=z.device) + step) % 2 == 0
        a, b = self.nets[step](z.masked_fill(moved, 0)).chunk(2, dim=1)
        return wide(_MOST * torch.tanh(a)) * moved, wide(b) * moved


class Bent(Density):
    """p(z) = N(f(z); 0, I) |det df/dz|, f couplings."""

    def __init__(self, batch: int, couplings: Couplings) -> None:
        super().__init__(batch, couplings.size)
        self.couplings = couplings

    def log_density(self, rows: Tensor) -> Tensor:
        u, log_det = self.couplings(rows)
        return log_det - (u.square() + math.log(2 * math.pi)).sum(1) / 2

    def draw(self, n: int) -> Tensor:
        like = next(self.couplings.parameters())
        return self.couplings.inverse(torch.randn(n, *self.event_shape, dtype=like.dtype, device=like.device))


def _net(size: int, hidden: int) -> nn.Module:
    """Return a network from (n, d) to (n, 2d) that is 0 before it is trained."""
    last = silent(hidden, 2 * size)
    return nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), last)
