"""The importance-weighted bound: several codes for each sample, the likely ones with more weight."""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.regularizer.log_ratio import code_log_ratio
from aerun.vocabulary import Function, wide


class Iwae(Regularizer):
    """Omega_i = -log (1/K) sum_k w_ik - reconstruction_i, w_ik = p(x_i|z_ik) p(z_ik) / q(z_ik|x_i), z_ik ~ q(z|x_i); (B,).

    With reg.lambda = 1 the objective is the negative importance-weighted bound, K = 1 the ELBO with a sampled KL; it tightens
    as K grows. Use it in place of kl. One of the K codes is the pass's own; the others cost a decoder pass each.
    The reconstruction must be a negative log-likelihood in nats, summed over the sample: bce on binary data, gaussian, ...
    (mse is one of variance 1/2, up to a constant; model.loss.reduction=mean is none).
    Burda et al. 2016, https://arxiv.org/abs/1509.00519. Raises AerunError for fewer than one code.
    """

    def __init__(self, *, samples: int) -> None:
        super().__init__()
        if samples < 1:
            raise AerunError(f"reg.terms.iwae.samples={samples}: must be at least 1.")
        self.samples = samples

    def forward(
        self, z: Tensor, posterior: Distribution, prior: Distribution, reconstruction: Tensor, judge: Function
    ) -> Tensor:
        own = wide(reconstruction)
        log_weights = (code_log_ratio(z, posterior, prior) - own)[None]  # (1, B)
        if self.samples > 1:
            more = posterior.rsample(torch.Size([self.samples - 1]))  # (K - 1, B, d)
            ratio = code_log_ratio(more, posterior, prior)
            log_weights = torch.cat([log_weights, ratio - wide(judge(more.flatten(0, 1)))])
        return math.log(self.samples) - log_weights.logsumexp(0) - own
