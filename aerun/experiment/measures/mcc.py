"""Do units of the code stand for the factors that the data were made of?"""

import torch
from torch import Tensor

from aerun.experiment.measures import known_factors
from aerun.trained import Trained


def measure(trained: Trained) -> dict[str, float]:
    """mean: |correlation| of factors with units, each factor matched with one unit so that the sum is largest (Hungarian
    method), averaged over factors, on the test split; least: of the worst factor. Needs a data set with factors.

    Hyvarinen & Morioka 2016, https://arxiv.org/abs/1605.06336.
    """
    found = matched(trained.codes(trained.data.test).cpu(), known_factors(trained).test.x)
    return {"mean": float(found.mean()), "least": float(found.min())}


def matched(codes: Tensor, factors: Tensor) -> Tensor:
    """|correlation| of each factor (f,) with its own unit, codes (n, d), factors (n, f); 0 where a unit is constant."""
    from scipy.optimize import linear_sum_assignment

    z, f = (_standardized(v.double()) for v in (codes, factors))
    size = (f.t() @ z / len(z)).abs()
    rows, columns = linear_sum_assignment(size.numpy(), maximize=True)
    found = torch.zeros(len(size), dtype=size.dtype)
    found[rows] = size[rows, columns]
    return found


def _standardized(v: Tensor) -> Tensor:
    centred = v - v.mean(0)
    return centred / centred.square().mean(0).sqrt().clamp_min(1e-9)
