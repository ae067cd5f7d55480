"""What a variational model says of test samples, in nats."""

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.dataset.splits import Split
from aerun.evaluate.likelihood import log_likelihood
from aerun.regularizer.log_ratio import divergence
from aerun.trained import Trained

_SAMPLES, _IMAGES, _ROWS = 200, 1000, 50


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return elbo: the negative ELBO of the test split, one draw a sample; rate: its KL part. nll.

    importance-weighted estimate -log (1/K) sum_k p(x|z_k) p(z_k) / q(z_k|x), K = 200, of the first 1,000 test samples;
    elbo_there: -ELBO of those. A model that is told something of samples is told it here: nats are then of x given that.

    A likelihood only where the loss is one, in nats, and the data fit it: bce on binarized images. Burda, Grosse &
    Salakhutdinov 2016, https://arxiv.org/abs/1509.00519. AerunError for a code without a posterior.
    """
    if "posterior" not in trained.autoencoder.bottleneck.offers:
        raise AerunError("measures: likelihood: needs a code with a posterior, such as model/bottleneck=gaussian.")
    test = trained.data.test
    whole = torch.cat([_bound(trained, x, beside) for x, beside in trained.known_batches(test)])
    first = Split(test.x[:_IMAGES], None)
    pairs = trained.known_batches(first, _ROWS)
    weighted = torch.cat([-log_likelihood(trained.autoencoder, x, _SAMPLES, **beside) for x, beside in pairs])
    elbo, rate = whole.mean(0).tolist()
    return {"elbo": elbo, "rate": rate, "nll": float(weighted.mean()), "elbo_there": float(whole[:_IMAGES, 0].mean())}


def _bound(trained: Trained, x: Tensor, beside: dict[str, Tensor]) -> Tensor:
    """Return -ELBO and its KL part of each sample, (B, 2)."""
    names = trained.autoencoder.objective_pass(x, beside.get("valid"), None, beside.get("seen"), beside.get("c"))
    kl = divergence(names["posterior"], names["prior"], names["z"]).reshape(len(x), -1).sum(1)
    return torch.stack([names["reconstruction"] + kl, kl], 1).double()
