"""The standard normal distribution as a reference that most passes never ask anything."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal
from torch.distributions.distribution import Distribution
from torch.distributions.utils import lazy_property


class StandardNormal(Normal):
    """N(0, I) of the shape, type and device of a code; its parameters are made when they are asked for."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        Distribution.__init__(self, like.shape, validate_args=False)

    @lazy_property
    def loc(self) -> Tensor:
        return self._like.new_zeros(()).expand(self._like.shape)

    @lazy_property
    def scale(self) -> Tensor:
        return self._like.new_ones(()).expand(self._like.shape)

    def expand(self, batch_shape: torch.Size | list[int] | tuple[int, ...], _instance: Any = None) -> Normal:
        """Return the distribution of another shape."""
        return Normal(self.loc, self.scale, validate_args=False).expand(batch_shape)
