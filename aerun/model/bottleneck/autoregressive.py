"""Inverse autoregressive steps: each unit is scaled and moved by a network that sees the units before it."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, logsigmoid, relu

from aerun.model.bottleneck.bent import Steps
from aerun.vocabulary import wide

CONTEXT = 32  # numbers that the encoder gives to the networks
_HIDDEN = 64  # at least; a longer code has as many as it has units
_OPEN = 1.5  # added before the gate, which then begins by keeping most of z


class Gates(nn.Module):
    """m and g (..., B, d) of codes z (..., B, d) and a context (B, 32): both of unit j depend on the units before j alone.

    One hidden layer. Its units have degrees 0 ... d - 1: one of degree k sees the first k units and the context, and is seen by
    all units after the k-th (MADE: Germain et al. 2015, https://arxiv.org/abs/1502.03509); those of degree 0 see the context
    alone, so that the first unit, and the only one of a code of one number, follow it too. backwards: the order is turned.
    """

    into: Tensor
    out: Tensor

    def __init__(self, size: int, backwards: bool) -> None:
        super().__init__()
        order = torch.arange(1, size + 1)
        order = order.flip(0) if backwards else order
        hidden = max(_HIDDEN, size)
        degree = torch.arange(hidden) * size // hidden
        self.first, self.context = nn.Linear(size, hidden), nn.Linear(CONTEXT, hidden)
        self.last = nn.Linear(hidden, 2 * size)
        number = torch.get_default_dtype()
        self.register_buffer("into", (degree[:, None] >= order).to(number), persistent=False)
        self.register_buffer("out", (order[:, None] > degree).to(number).repeat(2, 1), persistent=False)

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        hidden = relu(linear(z, self.first.weight * self.into, self.first.bias) + self.context(context))
        m, g = linear(hidden, self.last.weight * self.out, self.last.bias).chunk(2, -1)
        return wide(m), wide(g)


class Autoregressive(Steps):
    """z <- s z + (1 - s) m, s = sigmoid(g + 1.5), one after another; log |det| = sum log s.

    Kingma et al. 2016, https://arxiv.org/abs/1606.04934
    """

    def __init__(self, gates: nn.ModuleList, context: Tensor) -> None:
        self.gates, self.context = gates, context

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(z.shape[:-1])
        for net in self.gates:
            m, g = net(z, self.context)
            log_s = logsigmoid(g + _OPEN)
            z, total = m + log_s.exp() * (z - m), total + log_s.sum(-1)
        return z, total

    def inverse(self, z: Tensor) -> Tensor:
        """Return the same, unit by unit: after pass j the first j units of a step are right."""
        for net in reversed(self.gates):
            before = z
            for _ in range(z.shape[-1]):
                m, g = net(before, self.context)
                before = m + (z - m) * (-logsigmoid(g + _OPEN)).exp()
            z = before
        return z
