"""What a variational model whose outputs are logits says of grey values, in nats."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from aerun.core.errors import AerunError
from aerun.metrics.grey import log_constant
from aerun.regularizer.log_ratio import divergence
from aerun.trained import Trained
from aerun.vocabulary import wide


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return elbo: the negative ELBO of the test split where outputs are the logits of a continuous Bernoulli, one draw each.

    So a model of model/loss=bce is read as a likelihood of grey values, which bce itself is not, beside one that is trained as
    such. Loaiza-Ganem & Cunningham 2019, https://arxiv.org/abs/1907.06845. AerunError for a code without a posterior, and for
    other losses.
    """
    model = trained.autoencoder
    if "posterior" not in model.bottleneck.offers or not model.loss.logits:
        raise AerunError("measures: grey_likelihood: needs a variational model of model/loss=bce or continuous_bernoulli.")
    nats = []
    for x, beside in trained.known_batches(trained.data.test):
        names = model.objective_pass(x, beside.get("valid"), c=beside.get("c"))
        raw = wide(names["raw"])
        cost = (binary_cross_entropy_with_logits(raw, x.to(raw), reduction="none") - log_constant(raw)).flatten(1).sum(1)
        kl = divergence(names["posterior"], names["prior"], names["z"]).reshape(len(x), -1).sum(1)
        nats.append((cost + kl).double().cpu())
    return {"elbo": float(torch.cat(nats).mean())}
