"""How probable are data under a model with a prior: the log-likelihood by importance sampling."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.core.memory import rows_that_fit
from aerun.regularizer.log_ratio import code_log_ratio
from aerun.vocabulary import Pass, call


@torch.no_grad()
def log_likelihood(
    model: Autoencoder,
    x: Tensor,
    samples: int,
    valid: Tensor | None = None,
    c: Tensor | None = None,
    seen: Tensor | None = None,
) -> Tensor:
    """Return log p(x_i) of samples x (B, *S) in nats, (B,) in float64, by importance sampling.

    The estimate is log (1/K) sum_k p(x_i|z_ik) p(z_ik) / q(z_ik|x_i).

    samples: K, 500 or more for a figure to publish. On average the estimate is below the truth, less so as K grows (Burda et
    al. 2016, https://arxiv.org/abs/1509.00519). z_ik are drawn from the posterior of the clean sample, in eval mode, a part of
    the K at a time. valid: (B, T), the real steps of sequences. c (B, m): what is known of them beforehand; the result is then
    log p(x_i|c_i). seen (B, *S): the elements that were recorded, of which alone it
    is the likelihood. The loss must be a negative log-likelihood in nats: bce on
    binary samples (draw them first where grey values are probabilities), gaussian, categorical; mse counts as one of variance
    1/2 without its constant. Draws from torch's random numbers.

    Raises AerunError for K < 1, a bottleneck without a posterior and prior, and a loss that is averaged over elements.
    """
    _refuse(model, samples)
    was = model.training
    model.eval()
    beside = {k: v for k, v in (("valid", valid), ("c", c), ("seen", seen)) if v is not None}
    names = model.clean_pass(x, **beside)
    posterior, prior = names["posterior"], names["prior"]
    total = x.new_full((len(x),), -math.inf, dtype=torch.float64)
    left, most = samples, max(1, rows_that_fit(model.facts.size) // len(x))
    while left > 0:
        z = posterior.sample(torch.Size([min(left, most)]))  # (K', B, d)
        log_ratio = code_log_ratio(z, posterior, prior).double() - losses(model, z, x, beside).double()
        total = torch.logaddexp(total, log_ratio.logsumexp(0))
        left -= len(z)
    model.train(was)
    return total - math.log(samples)


def losses(model: Autoencoder, z: Tensor, x: Tensor, beside: Mapping[str, Tensor]) -> Tensor:
    """Return the losses (K, B) of samples x (B, *S) at codes z (K, B, d, *grid). beside: see `Autoencoder.beside`."""
    names: Pass = {k: v.repeat(len(z), *[1] * (v.ndim - 1)) for k, v in {"x": x, **beside}.items()}
    raw = model.raw(z.flatten(0, 1), **{k: names[k] for k in beside})
    names |= {"mask": torch.zeros_like(names["x"], dtype=torch.bool), "target": model.target(names["x"]), "raw": raw}
    values: Tensor = call(model.loss, names)
    return values.reshape(len(z), -1)


def _refuse(model: Autoencoder, samples: int) -> None:
    if samples < 1:
        raise AerunError(f"samples={samples}: a likelihood needs at least 1 code a sample.")
    if not model.has_bound:
        raise AerunError("a likelihood needs a code with a posterior and a prior: model/bottleneck=gaussian.")
    if model.loss.per_lambda(2) != 1:
        raise AerunError("model.loss.reduction=mean: not a log-likelihood. Use model.loss.reduction=sum.")
