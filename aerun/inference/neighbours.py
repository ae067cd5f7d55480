"""The nearest of many codes."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

_ROWS = 256  # So many queries are compared with all codes at once.


def nearest(base: Tensor, queries: Tensor, k: int, metric: str) -> tuple[Tensor, Tensor]:
    """Return the indices (q, k) into `base` (n, ...) of the k codes nearest to each query (q, ...), and their distances.

    metric: euclidean, or cosine (1 less the cosine of the angle).
    """
    base, queries = base.flatten(1).double(), queries.flatten(1).double()
    if metric == "cosine":
        base, queries = normalize(base, dim=1), normalize(queries, dim=1)
    parts = [
        torch.cdist(part, base, compute_mode="donot_use_mm_for_euclid_dist").topk(k, 1, largest=False)
        for part in queries.split(_ROWS)
    ]
    far, places = torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])
    return places, far.square() / 2 if metric == "cosine" else far
