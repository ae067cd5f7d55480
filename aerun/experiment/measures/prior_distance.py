"""How far the codes are from the standard normal prior."""

import torch

from aerun.regularizer.discrepancy import mmd2
from aerun.trained import Trained

_MOST = 2000  # codes: the cost grows with their square


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return how far the codes are from the prior.

    Mmd2: unbiased MMD^2 between the codes of validation and test samples (as the objective draws them) and N(0, I), by the
    kernel of regularizer=mmd; near 0 where they agree. null: the same between two draws of N(0, I), for its noise.
    """
    splits = (trained.data.val, trained.data.test)
    z = torch.cat([trained.autoencoder.code_pass(x)["z"].flatten(1) for s in splits for x in trained.batches(s)])[:_MOST]
    z, width = z.double(), 2.0 * z.shape[1]  # mean squared distance of two prior samples
    prior = torch.randn(len(z), z.shape[1], dtype=z.dtype).to(z.device)
    other = torch.randn(len(z), z.shape[1], dtype=z.dtype).to(z.device)
    return {"mmd2": float(mmd2(z, prior, width)), "null": float(mmd2(other, prior, width))}
