"""Whole patches of a sequence or an image are hidden."""

import torch
from torch import Tensor

from aerun.core.checks import integer, within
from aerun.core.errors import AerunError
from aerun.model.corruption.base import refuse_kind
from aerun.parts import Hiding


class Patches(Hiding):
    """round(share P) of the P patches of a sample are hidden, at least one, never all. x (B, *S), S = (C, H, W) or (T, F).

    A patch is `size` steps of all features, or size x size pixels of all channels; the last ones may be smaller. span: in runs
    of so many patches, cut short at the ends and where enough are hidden; of sequences alone. He et al. 2022,
    https://arxiv.org/abs/2111.06377, hide .75 of images; neighbouring steps tell less of each other. Raises AerunError for
    tables, which have no order, and where there is a single patch.
    """

    def __init__(self, *, shape: tuple[int, ...], kind: str, size: int, share: float, span: int, show_mask: bool) -> None:
        super().__init__(show_mask=show_mask)
        refuse_kind("patches", kind, ("image", "sequence", "text"), "whose neighbours belong together")
        self.axes = (1, 2) if kind == "image" else (0,)
        self.size = integer("model.corruption.size", size, 1)
        self.sides = tuple(shape[axis] for axis in self.axes)
        self.grid = tuple(-(-side // size) for side in self.sides)
        self.count = int(torch.Size(self.grid).numel())
        if self.count < 2:
            raise AerunError(f"model.corruption.size={size}: a sample of {' x '.join(map(str, self.sides))} is a single patch.")
        self.span = integer("model.corruption.span", span, 1)
        if kind == "image" and span > 1:
            raise AerunError(f"model.corruption.span={span}: runs are of steps, and these are images.")
        self.number = min(self.count - 1, max(1, round(within("model.corruption.share", share, 0, 1) * self.count)))

    def hidden(self, x: Tensor) -> Tensor:
        place = torch.arange(self.count, device=x.device)
        first = torch.randint(self.span, (len(x), 1), device=x.device)
        run = (place + first) // self.span  # (B, P): which run each patch is in
        turn = torch.rand(len(x), self.count // self.span + 2, device=x.device).argsort(1).argsort(1).gather(1, run)
        order = (turn * self.count + place).argsort(1).argsort(1)
        mask = (order < self.number).reshape(len(x), *self.grid)
        for axis, side in enumerate(self.sides, 1):
            mask = mask.repeat_interleave(self.size, axis).narrow(axis, 0, side)
        mask = mask[:, None] if len(self.axes) == 2 else mask[:, :, None]
        return mask.expand_as(x)
