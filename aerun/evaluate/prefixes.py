"""The error of every code size that a nested run serves, beside PCA of as many numbers."""

import torch
from torch import Tensor

from aerun.core.facts import valid_weight
from aerun.metrics.interval import standard_error
from aerun.metrics.squared_error import of_samples
from aerun.trained import Trained


def size_errors(trained: Trained) -> dict[int, dict[str, float]]:
    """Return size -> figures over all test samples, for the sizes that codes were trained to be cut to.

    se: mean_i ||x_i - decode(first units of z_i, the others 0)||^2. pca_se: that of PCA with as many numbers. The decoder
    serves all sizes, so se is an upper bound on that of a model of the size alone. behind: se less that of the best size;
    spread: the standard error of that difference over test samples. They are computed once of a model.
    """
    return trained.kept("size_errors", lambda: _size_errors(trained))


@torch.no_grad()
def _size_errors(trained: Trained) -> dict[int, dict[str, float]]:
    model = trained.autoencoder
    places = model.code_elements // model.bottleneck.latent_dim
    errors: dict[int, list[Tensor]] = {size: [] for size in model.sizes}
    pcas = dict.fromkeys(model.sizes, 0.0)
    for x, beside in trained.known_batches(trained.data.test):
        z, weight = model.encode(x, **beside), valid_weight(beside.get("valid"), x)
        for size in model.sizes:
            errors[size].append(of_samples(model.decode(model.prefix(z, size), **beside), x, weight).cpu())
            pcas[size] += float(of_samples(trained.informed(x, beside, size * places), x, weight).sum())
    each = {size: torch.cat(parts)[None].double().numpy() for size, parts in errors.items()}
    found = {}
    for size, values in each.items():
        best = min(each.values(), key=lambda other: float(other.mean()))
        behind, spread, _ = standard_error(values, best, overlap=trained.dataset.shared_steps)
        se, pca_se = float(values.mean()), pcas[size] / values.shape[-1]
        found[size] = {"se": se, "pca_se": pca_se, "behind": float(behind), "spread": float(spread)}
    return found
