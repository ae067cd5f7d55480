"""Free-form strokes over an image."""

import math

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from aerun.core.checks import integer, within
from aerun.core.errors import AerunError
from aerun.model.corruption.base import refuse_kind
from aerun.parts import Hiding

_TURN = 0.4  # standard deviation of the change of direction from pixel to pixel, in radians
_SPARE = 6.0  # factor by which paths are drawn too long, since they cross themselves; the surplus is cut off


class Irregular(Hiding):
    """`strokes` random walks with a square brush of `thickness` pixels; all channels hidden. x (B, C, H, W).

    A walk starts anywhere, moves pixel by pixel in a direction that turns a little each time, and is mirrored at the
    border. All strokes of a sample grow together until they cover `share` of it, to less than one brush more.
    After Liu et al. 2018, https://arxiv.org/abs/1804.07723, and Yu et al. 2019, https://arxiv.org/abs/1806.03589 (who
    draw from files of masks, and polygons). Raises AerunError for data that are not images.
    """

    def __init__(
        self, *, shape: tuple[int, ...], kind: str, share: float, strokes: int, thickness: int, show_mask: bool
    ) -> None:
        super().__init__(show_mask=show_mask)
        refuse_kind("irregular", kind, ("image",), "which strokes can be drawn on")
        self.height, self.width = shape[-2:]
        self.share = within("model.corruption.share", share, 0.01, 0.75)
        self.strokes = integer("model.corruption.strokes", strokes, 1)
        self.thickness = integer("model.corruption.thickness", thickness, 1)
        if thickness > min(self.height, self.width):
            raise AerunError(f"model.corruption.thickness={thickness}: wider than the image ({self.height} x {self.width}).")
        self.area = max(1, round(self.share * self.height * self.width))
        self.steps = math.ceil(_SPARE * self.area / (strokes * thickness))

    def hidden(self, x: Tensor) -> Tensor:
        arrival = self._brushed(self._arrival(len(x), x.device))  # (B, 1, H, W)
        last = arrival.flatten(1).kthvalue(self.area).values[:, None, None, None]
        return ((arrival <= last) & arrival.isfinite()).expand_as(x)

    def _arrival(self, batch: int, device: torch.device) -> Tensor:
        """Return the time (B, 1, H, W) at which the first stroke reaches each pixel; infinite where none does."""
        turns = _TURN * torch.randn(batch, self.strokes, self.steps, device=device)
        angle = turns.cumsum(2) + 2 * math.pi * torch.rand(batch, self.strokes, 1, device=device)
        rows = self._place(angle.sin(), self.height)
        columns = self._place(angle.cos(), self.width)
        when = torch.arange(self.steps, device=device) + torch.arange(self.strokes, device=device)[:, None] / self.strokes
        start = torch.full((batch, self.height * self.width), math.inf, device=device, dtype=when.dtype)
        passed = (rows * self.width + columns).flatten(1)
        arrival = start.scatter_reduce(1, passed, when.flatten().expand(batch, -1), "amin")
        return arrival.reshape(batch, 1, self.height, self.width)

    def _place(self, moves: Tensor, side: int) -> Tensor:
        """Return coordinates (B, strokes, steps) along an axis of `side` pixels, mirrored at its ends."""
        last = max(1, side - 1)
        path = moves.cumsum(2) + side * torch.rand_like(moves[:, :, :1])
        return (last - (path.remainder(2 * last) - last).abs()).round().long().clamp(0, side - 1)

    def _brushed(self, arrival: Tensor) -> Tensor:
        """Return the arrival times with each spread over the brush."""
        before, after = (self.thickness - 1) // 2, self.thickness // 2
        wider = pad(-arrival, (before, after, before, after), value=-math.inf)
        return -max_pool2d(wider, self.thickness, stride=1)
