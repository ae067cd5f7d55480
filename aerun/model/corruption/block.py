"""Rectangles of an image, or stretches of a sequence, are hidden."""

import math

import torch
from torch import Tensor

from aerun.core.checks import integer, within
from aerun.core.errors import AerunError
from aerun.model.corruption.base import refuse_kind
from aerun.parts import Hiding


class Block(Hiding):
    """`count` blocks a sample, each lying anywhere inside it; blocks may overlap. x (B, *S), S = (C, H, W) or (T, F).

    image: rectangles through all channels. sequence, text: stretches of steps through all features, whose order means
    nothing. Each side of a block is u times that side of the sample, u ~ U[smallest, largest], rounded, at least 1. Where
    samples have lengths of their own, a block may lie in what is missing. Pathak et al. 2016, https://arxiv.org/abs/1604.07379
    Raises AerunError for tables, which have no order, and for sizes outside of (0, 1].
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        kind: str,
        count: int,
        smallest: float,
        largest: float,
        fill: float,
        show_mask: bool,
    ) -> None:
        super().__init__(show_mask=show_mask)
        refuse_kind("block", kind, ("image", "sequence", "text"), "whose neighbours belong together")
        self.axes = (1, 2) if kind == "image" else (0,)
        self.sides = tuple(shape[axis] for axis in self.axes)
        self.count = integer("model.corruption.count", count, 1)
        self.smallest = within("model.corruption.smallest", smallest, 0, 1)
        self.largest = within("model.corruption.largest", largest, 0, 1)
        if not 0 < smallest <= largest:
            raise AerunError(
                f"model.corruption.smallest={smallest}: must be above 0 and at most model.corruption.largest={largest}."
            )
        if not math.isfinite(fill):
            raise AerunError(f"model.corruption.fill={fill}: must be a finite number.")
        self.fill = fill

    def hidden(self, x: Tensor) -> Tensor:
        mask = torch.zeros_like(x, dtype=torch.bool)
        for _ in range(self.count):
            inside = torch.ones_like(mask)
            for axis, side in zip(self.axes, self.sides, strict=True):
                places = [1] * (x.ndim - 1)
                places[axis] = side
                inside = inside & self._stretch(len(x), side, x.device).reshape(-1, *places)
            mask = mask | inside
        return mask

    def _stretch(self, batch: int, side: int, device: torch.device) -> Tensor:
        """Return a mask (B, side), True on one stretch of places for each sample."""
        u, v = torch.rand(2, batch, 1, device=device)
        length = (side * (self.smallest + u * (self.largest - self.smallest))).round().clamp(1, side)
        first = (v * (side - length + 1)).floor()
        place = torch.arange(side, device=device)
        return (place >= first) & (place < first + length)
