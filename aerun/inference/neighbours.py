"""The nearest of many codes."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

_ROWS = 256  # queries that are compared with all codes at once


def nearest(base: Tensor, asked: Tensor, k: int, metric: str) -> tuple[Tensor, Tensor]:
    """Return the places (q, k) in `base` (n, ...) of the k codes nearest to each of `asked` (q, ...), and their distances.

    metric: euclidean, or cosine (1 less the cosine of the angle).
    """
    base, asked = base.flatten(1).double(), asked.flatten(1).double()
    if metric == "cosine":
        base, asked = normalize(base, dim=1), normalize(asked, dim=1)
    parts = [
        torch.cdist(part, base, compute_mode="donot_use_mm_for_euclid_dist").topk(k, 1, largest=False)
        for part in asked.split(_ROWS)
    ]
    far, places = torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])
    return places, far.square() / 2 if metric == "cosine" else far
