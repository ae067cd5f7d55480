"""The error of every code size that a nested run serves, beside PCA of as many numbers."""

import torch
from torch import Tensor

from aerun.core.facts import valid_weight
from aerun.metrics.squared_error import of_samples
from aerun.trained import Trained, filled


@torch.no_grad()
def size_errors(trained: Trained) -> dict[int, dict[str, float]]:
    """Return size -> {"se": ..., "pca_se": ...} over all test samples, for the sizes that codes were trained to be cut to.

    se: mean_i ||x_i - decode(first units of z_i, the others 0)||^2. pca_se: that of PCA with as many numbers. The decoder
    serves all sizes, so se is an upper bound on that of a model of the size alone.
    """
    model, pca = trained.autoencoder, trained.pca
    places = model.code_elements // model.bottleneck.latent_dim
    totals = {size: {"se": 0.0, "pca_se": 0.0} for size in model.sizes}
    for x, valid in trained.valid_batches(trained.data.test):
        z, weight, whole = model.encode(x, valid=valid), valid_weight(valid, x), filled(x, valid, trained.mean)
        for size, total in totals.items():
            again = model.decode(model.prefix(z, size), valid)
            total["se"] += _sum(again, x, weight)
            total["pca_se"] += _sum(pca.first(size * places)(whole), x, weight)
    count = len(trained.data.test)
    return {size: {k: v / count for k, v in total.items()} for size, total in totals.items()}


def _sum(x_hat: Tensor, x: Tensor, weight: Tensor | float) -> float:
    return float(of_samples(x_hat, x, weight).sum())
