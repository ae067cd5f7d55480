"""How far noise moves a code, in units of how far samples lie apart."""

import torch

from aerun.trained import Trained

_SIGMA = 0.1


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return ratio: mean_i ||e(x_i + eps) - e(x_i)|| / sqrt(sum_j Var_i z_ij) on the test split, eps ~ N(0, 0.1^2 I).

    Free of scale: a penalty that is met by a smaller code and a larger decoder leaves it as it was.
    """
    x = trained.samples(trained.data.test)
    z = trained.autoencoder.encode(x).flatten(1)
    moved = trained.autoencoder.encode(x + _SIGMA * torch.randn_like(x)).flatten(1) - z
    return {"ratio": float(moved.norm(dim=1).mean() / z.var(0).sum().sqrt())}
