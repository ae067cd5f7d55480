"""How well values that are right come back where others of their sample were spoilt."""

import torch

from aerun.core.errors import AerunError
from aerun.trained import Trained


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return mae: the mean absolute error of those values of test samples that nothing spoilt; spoilt: the share of the rest.

    AerunError for data of which nobody knows what was spoilt.
    """
    clean = trained.dataset.clean()
    if clean is None:
        raise AerunError(
            "measures: clean_values: needs data whose spoilt values are known, such as dataset=factors dataset.spikes=0.05."
        )
    right = clean.test.x == trained.data.test.x
    found = torch.cat([trained.autoencoder(x).cpu() for x in trained.batches(trained.data.test)])
    return {"mae": float((found - clean.test.x)[right].abs().mean()), "spoilt": float((~right).double().mean())}
