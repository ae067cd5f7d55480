"""Real codes as whole numbers, and whole numbers as bytes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.coding.rans import Tables, decode, encode, tables_of
from aerun.core.errors import AerunError

_UNSEEN = 0.1  # count of a level inside a unit's range that no training code had
_MOST = 1 << 15  # levels of one unit


@dataclass(frozen=True)
class Quantizer:
    """n_j = round(z_j / step_j), kept within the levels that training codes had, with tables of how often each occurred.

    steps, lowest: (d,) for d units; all places of a spatial code share their unit's. Codes (n, d, *grid).
    """

    steps: Tensor
    lowest: Tensor
    widths: Tensor
    tables: Tables

    def levels(self, z: Tensor) -> Tensor:
        """Map codes (n, d, *grid) to whole numbers n_j of the same shape."""
        levels = _levels(z, self.steps)
        low, width = _shaped(self.lowest, z), _shaped(self.widths, z)
        return torch.minimum(torch.maximum(levels, low), low + width - 1)

    def codes(self, levels: Tensor) -> Tensor:
        """Map whole numbers n_j to codes step_j n_j, float32."""
        return (levels * _shaped(self.steps, levels)).float()

    def bits(self, levels: Tensor) -> float:
        """Return the length, in bits, of a perfect code of `levels` by these tables."""
        return self.tables.bits(self._symbols(levels), _units(levels))

    def to_bytes(self, levels: Tensor) -> bytes:
        """Return whole numbers as bytes, all samples in one stream; their shape is not stored."""
        return encode(self._symbols(levels), _units(levels), self.tables)

    def from_bytes(self, data: bytes, shape: tuple[int, ...]) -> Tensor:
        """Return the whole numbers (n, d, *grid) that `to_bytes` wrote.

        Raises AerunError for bytes that do not belong to these tables and this shape.
        """
        like = torch.zeros(shape, dtype=torch.long)
        symbols = torch.from_numpy(decode(data, _units(like), self.tables)).reshape(shape)
        return symbols + _shaped(self.lowest, symbols)

    def _symbols(self, levels: Tensor) -> NDArray[np.int64]:
        symbols: NDArray[np.int64] = (levels.cpu() - _shaped(self.lowest, levels.cpu())).reshape(-1).numpy()
        return symbols


def fitted(z: Tensor, steps: Tensor) -> Quantizer:
    """Return the quantizer of these steps (d,) whose levels and tables are those of the codes z (n, d, *grid).

    A level inside a unit's range that no code had counts 0.1. Raises AerunError for steps so small that a unit has over 32,768
    levels.
    """
    steps = steps.double().cpu()
    levels = _levels(z, steps).transpose(0, 1).flatten(1)  # (d, n * places)
    lowest, highest = levels.min(1).values, levels.max(1).values
    widths = highest - lowest + 1
    most = int(widths.max())
    if most > _MOST:
        raise AerunError(f"coding: a step of {float(steps.min()):.3g} makes {most:,} levels of a unit; {_MOST:,} are the most.")
    place = levels - lowest[:, None] + torch.arange(len(levels))[:, None] * most
    counts = torch.bincount(place.flatten(), minlength=len(levels) * most).reshape(-1, most).double()
    inside = torch.arange(most) < widths[:, None]
    counts = torch.where(inside & (counts == 0), torch.full_like(counts, _UNSEEN), counts)
    return Quantizer(steps, lowest, widths, tables_of(counts.numpy()))


def _levels(z: Tensor, steps: Tensor) -> Tensor:
    return (z.double().cpu() / _shaped(steps, z)).round().long()


def _shaped(values: Tensor, like: Tensor) -> Tensor:
    """Map (d,) -> (1, d, 1, ...)."""
    return values.reshape(1, -1, *[1] * (like.ndim - 2))


def _units(like: Tensor) -> NDArray[np.int64]:
    """Return the number of the unit that each element of (n, d, *grid) belongs to, flattened."""
    units = torch.arange(like.shape[1]).reshape(1, -1, *[1] * (like.ndim - 2)).expand(like.shape)
    numbers: NDArray[np.int64] = units.reshape(-1).numpy()
    return numbers
