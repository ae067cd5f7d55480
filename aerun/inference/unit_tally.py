"""How often each unit of codes is on, and which samples are its highest and which stand for all: one pass, bounded memory."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

SPREAD = 64  # samples of a unit, drawn at random of those it is on for, of which its quantiles are
BINS = 8  # quantiles of a unit's values, of each of which one sample is shown


class Heaps:
    """The `size` highest keys of each of u units, with their values and the numbers of their rows, highest first: (u, size)."""

    def __init__(self, units: int, size: int) -> None:
        self.keys = torch.full((units, size), -torch.inf)
        self.values = torch.zeros(units, size)
        self.rows = torch.full((units, size), -1)

    def add(self, keys: Tensor, values: Tensor, first: int) -> None:
        """Take the keys and values (B, u) of rows from number `first` on; of equal keys the earlier row stays."""
        higher = keys > self.keys[:, -1]
        units, rows = higher.any(0).nonzero().flatten(), higher.any(1).nonzero().flatten()
        if not len(units):
            return
        new = (keys[rows][:, units].t(), values[rows][:, units].t(), (rows + first).expand(len(units), -1))
        merged = [torch.cat([old[units], more], 1) for old, more in zip((self.keys, self.values, self.rows), new, strict=True)]
        order = merged[0].argsort(dim=1, descending=True, stable=True)[:, : self.keys.shape[1]]
        for kept, each in zip((self.keys, self.values, self.rows), merged, strict=True):
            kept[units] = each.gather(1, order)

    def of(self, unit: int) -> tuple[list[int], list[float]]:
        """Return the rows of a unit and its values there."""
        there = self.keys[unit].isfinite()
        return self.rows[unit][there].tolist(), self.values[unit][there].tolist()


class Tally:
    """Counts over codes (n, d). Of the units in `shown` the `top` highest samples and `SPREAD` random ones are known, too.

    A unit is on where its value is not 0. Which random samples is a function of the rows' numbers alone: the answer does not
    depend on the batches.
    """

    def __init__(self, units: int, shown: Sequence[int], top: int) -> None:
        self.n, self.shown = 0, torch.tensor(list(shown), dtype=torch.long)
        self.on, self.sums = torch.zeros(units, dtype=torch.long), torch.zeros(units, dtype=torch.float64)
        self.highest = torch.full((units,), -torch.inf)
        self.top, self.spread = Heaps(len(self.shown), top), Heaps(len(self.shown), SPREAD)

    def add(self, z: Tensor) -> list[int]:
        """Take the codes (B, d) of the next rows. Return the numbers of those among them that are kept, ascending."""
        on = z != 0
        self.on += on.sum(0)
        self.sums += z.sum(0, dtype=torch.float64)
        self.highest = torch.maximum(self.highest, z.where(on, -torch.inf).amax(0))
        own, there = z[:, self.shown], on[:, self.shown]
        self.top.add(own.where(there, -torch.inf), own, self.n)
        drawn = _priorities(self.n, len(z))[:, None].expand_as(own)
        self.spread.add(drawn.where(there, -torch.inf), own, self.n)
        first, self.n = self.n, self.n + len(z)
        kept = self.kept()
        return kept[kept >= first].tolist()

    def kept(self) -> Tensor:
        """Return the numbers of all rows that any unit keeps, ascending."""
        rows = torch.cat([self.top.rows.flatten(), self.spread.rows.flatten()]).unique()
        return rows[rows >= 0]

    @property
    def density(self) -> Tensor:
        """Return the share of samples that each unit is on for, (d,)."""
        return self.on.double() / max(1, self.n)

    @property
    def mean(self) -> Tensor:
        """Return each unit's mean over the samples that it is on for, (d,); 0 where there are none."""
        return self.sums / self.on.clamp_min(1)

    def quantiles(self, place: int) -> list[tuple[float, int, float]]:
        """Return (share of values that are lower, row, value) of one sample from each of 8 quantile bins of a unit's values.

        The values are those of `SPREAD` random samples; of fewer than 8 there is one each. place: of the unit in `shown`.
        """
        rows, values = self.spread.of(place)
        pairs = sorted(zip(values, rows, strict=True))
        bins = min(BINS, len(pairs))
        places = [(2 * b + 1) * len(pairs) // (2 * bins) for b in range(bins)]
        return [((i + 0.5) / len(pairs), pairs[i][1], pairs[i][0]) for i in places]


def _priorities(first: int, count: int) -> Tensor:
    """Return a number in [0, 1) for each row from number `first` on, as good as random (splitmix64)."""
    x = np.arange(first, first + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return torch.from_numpy(((x ^ (x >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24))
