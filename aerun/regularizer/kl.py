"""KL divergence from the prior: the variational term."""

from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from aerun.parts import Regularizer


class Kl(Regularizer):
    """Omega_i = KL(q(z|x_i) || p(z)), summed over units; for Gaussians 1/2 sum_j (mu_j^2 + s_j^2 - log s_j^2 - 1). (B,).

    reg.lambda is beta. beta = 1 with bce is the negative ELBO of a Bernoulli decoder; with mse it is that of a Gaussian
    decoder of variance 1/2 (SE + beta KL = 2 s^2 (SE / (2 s^2) + KL) for beta = 2 s^2).
    Kingma & Welling 2013, https://arxiv.org/abs/1312.6114; beta: Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl
    """

    def forward(self, posterior: Distribution, prior: Distribution) -> Tensor:
        return kl_divergence(posterior, prior).flatten(1).sum(1)
