"""Is each factor held by one unit alone?"""

import torch
from torch import Tensor

from aerun.dataset.base import Split
from aerun.experiment.measures import known_factors
from aerun.trained import Trained

_BINS, _ROTATIONS = 20, 10


def measure(trained: Trained) -> dict[str, float]:
    """gap: the mutual information gap on all samples; control: its median over 10 random rotations of the same code, which
    hold the same information and no axes. Needs a data set with factors of few values.
    """
    data, factors = trained.data, known_factors(trained)
    whole = torch.cat([s.x for s in (data.train, data.val, data.test)])
    known = torch.cat([s.x for s in (factors.train, factors.val, factors.test)])
    codes = trained.codes(Split(whole, None)).cpu().double()
    turns = [torch.linalg.qr(torch.randn(codes.shape[1], codes.shape[1], dtype=codes.dtype))[0] for _ in range(_ROTATIONS)]
    control = torch.tensor([gap(codes @ turn, known) for turn in turns])
    return {"gap": gap(codes, known), "control": float(control.median())}


def gap(codes: Tensor, factors: Tensor) -> float:
    """MIG = mean_f (I(f; z_1) - I(f; z_2)) / H(f), z_1 and z_2 the two units that say most of f; units in 20 bins of equal
    width. Codes (n, d), factors (n, f). Chen et al. 2018, https://arxiv.org/abs/1802.04942.
    """
    units = torch.stack([_bins(z) for z in codes.t()])
    found = []
    for factor in factors.t():
        values = factor.unique(return_inverse=True)[1]
        information = torch.stack([_information(values, unit) for unit in units])
        best = torch.cat([information, information.new_zeros(1)]).topk(2).values
        found.append((best[0] - best[1]) / _information(values, values))
    return float(torch.stack(found).mean())


def _bins(z: Tensor) -> Tensor:
    span = (z.max() - z.min()).clamp_min(1e-12)
    return ((z - z.min()) / span * _BINS).long().clamp(max=_BINS - 1)


def _information(a: Tensor, b: Tensor) -> Tensor:
    """Mutual information in nats of two vectors of small whole numbers."""
    table = torch.zeros(int(a.max()) + 1, int(b.max()) + 1, dtype=torch.float64)
    table.index_put_((a, b), torch.ones(len(a), dtype=torch.float64), accumulate=True)
    joint = table / len(a)
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return torch.where(joint > 0, joint * (joint / apart.clamp_min(1e-300)).clamp_min(1e-300).log(), 0).sum()
