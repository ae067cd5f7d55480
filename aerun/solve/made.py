"""Anomalies made of normal validation rows, to choose between scores without a label or a test row.

A made row of a table has the values of another row in some of its columns (a tenth to a half of them, drawn anew for each), so
that each cell is usual and the row is not; a made image has a rectangle of another image, a made series a stretch of another
(Li et al. 2021, https://arxiv.org/abs/2104.04015, there of the same image). Real anomalies may be otherwise: what finds made
ones better is preferred only where it is clearly better.
"""

import torch

from aerun.core.facts import Facts
from aerun.dataset.splits import Split

_LEAST, _MOST = 0.1, 0.5  # share of columns that come from elsewhere
_ROWS = 2_000


def made(split: Split, facts: Facts) -> Split | None:
    """Return made anomalies of normal samples, always the same, as many; None of samples that differ in length and of text."""
    if facts.ragged or facts.tokens or facts.told or len(split) < 2:
        return None
    g = torch.Generator().manual_seed(0)
    x = split.x[: min(len(split), _ROWS)]
    n = len(x)
    other = x[(torch.arange(n) + torch.randint(1, n, (n,), generator=g)) % n]
    share = _LEAST + (_MOST - _LEAST) * torch.rand(n, generator=g)
    if facts.kind == "table":
        drawn = torch.rand(n, x.shape[1], generator=g)
        taken = (drawn < share[:, None]) | (drawn == drawn.min(1, keepdim=True).values)
        return Split(torch.where(taken, other, x), None)
    axes = x.shape[-2:] if facts.kind == "image" else x.shape[1:2]
    taken = torch.ones(n, *axes, dtype=torch.bool)
    for axis, length in enumerate(axes):
        wide = (share ** (1 / len(axes)) * length).ceil().clamp(1, length)
        first = (torch.rand(n, generator=g) * (length - wide + 1)).floor()
        places = torch.arange(length)[None]
        inside = (places >= first[:, None]) & (places < (first + wide)[:, None])
        taken &= inside[(slice(None), *(slice(None) if a == axis else None for a in range(len(axes))))]
    wide_mask = taken[:, None] if facts.kind == "image" else taken[..., None]
    return Split(torch.where(wide_mask, other, x), None)
