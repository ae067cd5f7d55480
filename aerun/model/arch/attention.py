"""Layers of the patch arch: patches of steps, their positions, and pre-norm blocks of attention. (B, P, width)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class Patches(nn.Module):
    """(B, T, C) -> (B, P, size C), P = ceil(T / size): `size` steps in a row each, the last ones filled up with zeros."""

    def __init__(self, size: int, steps: int) -> None:
        super().__init__()
        self.size, self.count = size, -(-steps // size)
        self.lack = self.count * size - steps

    def forward(self, x: Tensor) -> Tensor:
        return pad(x, (0, 0, 0, self.lack)).reshape(x.shape[0], self.count, -1)


class Unpatched(nn.Module):
    """(B, P, size C) -> (B, T, C): the inverse of `Patches`, without the steps that fill up the last one."""

    def __init__(self, size: int, steps: int) -> None:
        super().__init__()
        self.size, self.steps = size, steps

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1] * self.size, -1)[:, : self.steps]


class Positions(nn.Module):
    """Adds sines and cosines of a token's place: sin(i w_k), cos(i w_k), w_k = 10,000^(-2 k / width). Not trained.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.
    """

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
        angles = torch.arange(count)[:, None] * rates
        self.register_buffer("table", torch.stack([angles.sin(), angles.cos()], 2).reshape(count, -1)[:, :width])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.get_buffer("table")
        return y


class AttentionBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), four times as wide inside."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries = nn.Linear(width, 3 * width, bias=False)  # that of keys changes nothing
        self.joined = nn.Linear(width, width)
        inside = [nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)]
        self.mlp = nn.Sequential(*inside, *([nn.Dropout(dropout)] if dropout > 0 else []))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attended(self.before(x))
        y: Tensor = x + self.mlp(self.between(x))
        return y

    def _attended(self, x: Tensor) -> Tensor:
        """Return softmax(q k^T / sqrt(width / heads)) v, written out: a penalty on the Jacobian differentiates it twice."""
        b, p, width = x.shape
        split = self.queries(x).reshape(b, p, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        weight = (q @ k.transpose(-2, -1) / math.sqrt(width // self.heads)).softmax(-1)
        y: Tensor = self.joined((weight @ v).transpose(1, 2).reshape(b, p, width))
        return y


class MeanToken(nn.Module):
    """(B, P, width) -> (B, width): the mean over tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


class Repeated(nn.Module):
    """(B, width) -> (B, P, width): the same for each token."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        return x[:, None].expand(-1, self.count, -1)
