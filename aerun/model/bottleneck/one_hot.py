"""Distributions of codes whose units are the classes of categorical variables, and of such codes beside real ones."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence, register_kl

from aerun.core.errors import AerunError


class OneHots(Distribution):
    """Groups of K units of which exactly one is 1: batch (B,), event (d, *grid), of logits (B, d, *grid).

    Draws are argmax_k (l_k + g_k), g = -log of exponential draws. `rsample` gives the gradient of softmax((l + g) /
    temperature) to them (straight through); `relaxed` draws are that softmax itself. The divergence and `log_prob` are those of
    the categorical variables, never densities of relaxed draws, which `log_prob` refuses where there are such (soft).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = True

    def __init__(self, logits: Tensor, classes: int, temperature: float = 1.0, soft: bool = False) -> None:
        self.classes, self.temperature, self.soft = classes, temperature, soft
        self.groups = grouped(logits, classes, 1).log_softmax(2)  # (B, G, K, *grid)
        super().__init__(logits.shape[:1], logits.shape[1:], validate_args=False)

    @classmethod
    def uniform(cls, like: Tensor, classes: int) -> "OneHots":
        """Return the law by which all classes are equally likely, for codes (B, d, *grid)."""
        law = cls.__new__(cls)
        law.classes, law.temperature, law.soft = classes, 1.0, False
        shape = like.shape[0], like.shape[1] // classes, classes, *like.shape[2:]
        law.groups = like.new_full((), -math.log(classes)).expand(shape)
        Distribution.__init__(law, like.shape[:1], like.shape[1:], validate_args=False)
        return law

    @property
    def mean(self) -> Tensor:
        return self.groups.exp().flatten(1, 2)

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    @property
    def entropies(self) -> Tensor:
        """Return the entropy of each group in nats, (B, G, *grid)."""
        return -(self.groups.exp() * self.groups).sum(2)

    @property
    def most(self) -> float:
        """Return the most nats that all groups of a code can be from the uniform distribution."""
        return self.groups[0].numel() / self.classes * math.log(self.classes)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with torch.no_grad():
            return hot(self._noisy(sample_shape), -self._axis).flatten(-self._axis - 1, -self._axis)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        noisy = self._noisy(sample_shape)
        soft = (noisy / self.temperature).softmax(-self._axis)
        return (hot(noisy.detach(), -self._axis) + (soft - soft.detach())).flatten(-self._axis - 1, -self._axis)

    def relaxed(self) -> Tensor:
        """Return a relaxed draw of each, (B, d, *grid)."""
        return (self._noisy(()) / self.temperature).softmax(2).flatten(1, 2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p of one-hot codes (..., B, d, *grid), (..., B)."""
        groups = grouped(value, self.classes, value.ndim - len(self.event_shape))
        if self.soft and not bool(((groups.detach() == 0).sum(-self._axis) == self.classes - 1).all()):
            raise AerunError(
                "this term needs the probability of a draw, and relaxed draws of a categorical code have none: use "
                "model.bottleneck.sample=straight_through, or regularizer=kl, which is exact."
            )
        return (groups * self.groups).flatten(-self._axis - 1).sum(-1)

    @property
    def _axis(self) -> int:
        """Return the place of the classes among the axes of `groups`, from the end."""
        return self.groups.ndim - 2

    def _noisy(self, shape: Sequence[int]) -> Tensor:
        logits = self.groups.expand(*shape, *self.groups.shape)
        return logits - torch.empty_like(logits).exponential_().log()


class Blocks(Distribution):
    """Independent distributions of the parts of a code along its units: batch (B,), event (d, *grid).

    parts: those of the parts, with batch as z or (B,). Their divergences stand side by side, (B, u, *grid).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = True

    def __init__(self, parts: Sequence[Distribution]) -> None:
        self.parts = tuple(parts)
        shapes = [torch.Size((*p.batch_shape, *p.event_shape)) for p in parts]
        self.widths = [s[1] for s in shapes]
        super().__init__(shapes[0][:1], torch.Size((sum(self.widths), *shapes[0][2:])), validate_args=False)

    @property
    def blocks(self) -> list[tuple[int, float]]:
        """Return of each part how many divergences it has, and the most nats that these can be together."""
        return [
            (p.groups.shape[1], p.most) if isinstance(p, OneHots) else (w, math.inf)
            for p, w in zip(self.parts, self.widths, strict=True)
        ]

    @property
    def mean(self) -> Tensor:
        return torch.cat([p.mean for p in self.parts], 1)

    @property
    def variance(self) -> Tensor:
        return torch.cat([p.variance for p in self.parts], 1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return torch.cat([p.sample(torch.Size(sample_shape)) for p in self.parts], self._axis)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return torch.cat([p.rsample(torch.Size(sample_shape)) for p in self.parts], self._axis)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p of codes (..., B, d, *grid), (..., B)."""
        first = value.ndim - len(self.event_shape)
        total = value.new_zeros(())
        for p, own in zip(self.parts, value.split(self.widths, self._axis), strict=True):
            each = p.log_prob(own)
            total = total + (each.flatten(first).sum(first) if each.ndim > first else each)
        return total

    @property
    def _axis(self) -> int:
        return -len(self.event_shape)


def grouped(z: Tensor, classes: int, axis: int) -> Tensor:
    """Map (..., d, *grid), d the axis with this number, to (..., G, K, *grid)."""
    return z.unflatten(axis, (-1, classes))


def hot(values: Tensor, axis: int) -> Tensor:
    """Return 1 where a value is the (first) largest along an axis, else 0."""
    return torch.zeros_like(values).scatter(axis, values.argmax(axis, keepdim=True), 1.0)


@register_kl(OneHots, OneHots)
def _of_one_hots(p: OneHots, q: OneHots) -> Tensor:
    """Return KL(p || q) of each group, (B, G, *grid)."""
    return (p.groups.exp() * (p.groups - q.groups)).sum(2)


@register_kl(Blocks, Blocks)
def _of_blocks(p: Blocks, q: Blocks) -> Tensor:
    """Return the divergences of the parts side by side, (B, u, *grid)."""
    return torch.cat([kl_divergence(a, b) for a, b in zip(p.parts, q.parts, strict=True)], 1)
