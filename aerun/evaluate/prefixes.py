"""The error of every code size that a nested run serves, beside PCA of as many numbers."""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.facts import known_weight
from aerun.metrics.interval import standard_error
from aerun.metrics.squared_error import of_samples
from aerun.trained import Trained


def size_errors(trained: Trained) -> dict[int, dict[str, float]]:
    """Return size -> figures over all test samples, for the sizes that codes were trained to be cut to.

    se: mean_i ||x_i - decode(first units of z_i, the others 0)||^2. pca_se: that of PCA with as many numbers. The decoder
    serves all sizes, so se is an upper bound on that of a model of the size alone. Of stages, which have no numbers that PCA
    could have as many of, bits stands there. behind: se less that of the best size;
    spread: the standard error of that difference over test samples. They are computed once of a model.
    """
    return trained.kept("size_errors", lambda: _size_errors(trained))


def group_of(model: Autoencoder) -> str:
    """Return where figures of sizes stand: size/K of units, stage/K of stages, whose number is no size of another model."""
    return "size" if model.bottleneck.piece == "unit" else model.bottleneck.piece


@torch.no_grad()
def _size_errors(trained: Trained) -> dict[int, dict[str, float]]:
    model, units = trained.autoencoder, trained.autoencoder.bottleneck.piece == "unit"
    places = model.code_elements // model.bottleneck.latent_dim
    errors: dict[int, list[Tensor]] = {size: [] for size in model.sizes}
    pcas = dict.fromkeys(model.sizes, 0.0)
    for x, beside in trained.known_batches(trained.data.test):
        h, weight = model.features(x, **beside), known_weight(beside, x)
        for size in model.sizes:
            z = model.first_of(h, size)
            errors[size].append(of_samples(model.decode(z, **beside, like=x), x, weight).cpu())
            if units:
                pcas[size] += float(of_samples(trained.informed(x, beside, size * places), x, weight).sum())
    each = {size: torch.cat(parts)[None].double().numpy() for size, parts in errors.items()}
    found = {}
    for size, values in each.items():
        best = min(each.values(), key=lambda other: float(other.mean()))
        behind, spread, _ = standard_error(values, best, overlap=trained.dataset.shared_steps)
        other = {"pca_se": pcas[size] / values.shape[-1]} if units else {"bits": model.bottleneck.bits_of(size, places)}
        found[size] = {"se": float(values.mean()), **other, "behind": float(behind), "spread": float(spread)}
    return found
