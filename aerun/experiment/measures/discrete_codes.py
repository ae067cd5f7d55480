"""How much of a discrete code is used, and how many bits other samples' codes take."""

import torch

from aerun.core.errors import AerunError
from aerun.evaluate.samplers import OfNumbers, OfPrior, numbers_of, positions, samplers
from aerun.evaluate.samplers.code_prior import in_raster
from aerun.evaluate.samplers.counts import Counts
from aerun.trained import Trained


def measure(trained: Trained) -> dict[str, float]:
    """Return used, the share of all levels of all positions that training codes have, and bits of a sample.

    bits_none: without a model; bits_entropy: the entropy of the counts of training codes, which is no size of others;
    bits_counts and bits_transformer: what the code priors of these names, fitted to training codes, take for test codes.
    Raises AerunError for codes that are not discrete.
    """
    if not trained.autoencoder.bottleneck.levels:
        raise AerunError("measures: discrete_codes: needs a discrete code, such as model/bottleneck=vq.")
    levels = positions(trained.autoencoder)
    counts = Counts.fitted(in_raster(numbers_of(trained, trained.data.train)).cpu(), levels, 0)
    numbers, sources = numbers_of(trained, trained.data.test), samplers(trained)
    figures = {"used": float((counts.counts > 0).sum()) / sum(levels), "bits_entropy": counts.entropy}
    for name, source in sources.items():
        if isinstance(source, OfNumbers | OfPrior):
            with torch.no_grad():
                figures[f"bits_{'none' if name == 'prior' else name}"] = float(source.bits(numbers).mean())
    return figures
