"""How improbable a sample is once its code is inferred: -log p(x | z), z drawn from the posterior."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from aerun.autoencoder import Autoencoder
from aerun.compose import options
from aerun.core.seeding import own_draws, seed_all
from aerun.evaluate.judges.base import Unfitted
from aerun.evaluate.likelihood import losses

_DRAWS = 16


class Probability(Unfitted):
    """-log E_q p(x|z) in nats: -log (1/K) sum_k exp(-l_k), l_k the loss at the k-th of K = 16 draws of z from q(z|x).

    It is not -ELBO, which charges KL(q || p) too, nor E_q[-log p(x|z)], see `Expected`. Losses that are no likelihood are
    taken for one, up to a constant. A Gaussian posterior is drawn from with the same noise for every sample, so that equal
    samples have equal scores.
    """

    @staticmethod
    def unsupported_reason(model: Autoencoder) -> str:
        if "posterior" in model.bottleneck.offers:
            return ""
        givers = [name for name, cls in options("bottleneck").items() if "posterior" in cls.offers]
        return f"needs codes with a posterior: model/bottleneck={', '.join(givers)}"

    def __call__(self, model: Autoencoder, stored: Tensor) -> Tensor:
        return math.log(_DRAWS) - (-_losses(model, stored)).logsumexp(0)


class Expected(Probability):
    """E_q[-log p(x|z)] in nats, of 16 draws: the reconstruction probability of An & Cho 2015, with the sign of a score."""

    def __call__(self, model: Autoencoder, stored: Tensor) -> Tensor:
        return _losses(model, stored).mean(0)


def _losses(model: Autoencoder, stored: Tensor) -> Tensor:
    """Return the loss of stored samples at each draw of their codes, in nats, (K, B)."""
    x, beside = model.units(stored).to(next(model.arch.parameters()).dtype), model.beside(stored)
    scale = model.loss.per_lambda(model.facts.size)
    with own_draws():
        draws = list(_draws(model.clean_pass(x, **beside)["posterior"]))
    there = model.seen(stored)  # filled cells count for nothing, in whatever way gaps are kept
    known = beside if there is None else {**beside, "seen": there}
    return torch.cat([losses(model, z[None], x, known).double() * scale for z in draws])


def _draws(posterior: Distribution) -> Iterator[Tensor]:
    seed_all(0)  # whatever the pass drew
    for _ in range(_DRAWS):
        if isinstance(posterior, Normal):
            noise = torch.randn(posterior.mean.shape[1:], dtype=posterior.mean.dtype).to(posterior.mean.device)
            yield posterior.mean + posterior.stddev * noise
        else:
            yield posterior.sample()
