"""Units that are independent of one another: total correlation by minibatch estimates."""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import one_of
from aerun.parts import Regularizer
from aerun.vocabulary import wide

_LEAST = 1e-6  # smallest eigenvalue of a correlation matrix: below it units are copies of one another


class Tc(Regularizer):
    """Omega = TC = KL(q(z) || prod_j q(z_j)) of the aggregate posterior q(z) = mean_n q(z|x_n); a scalar.

    The gradient is that of mean_i [log q^(z_i) - sum_j log q^(z_ij)], q^ the density of z_i estimated from the batch:
    mss  q^(z_i) = 1/N q(z_i|x_i) + (N - 1)/N mean_{m != i} q(z_i|x_m), N training samples: unbiased. Chen et al. give one of
         the others, at random, a weight apart; this is the mean over that choice.
    mws  q^(z_i) = mean_m q(z_i|x_m), up to a constant: biased towards the sample's own posterior.
    Neither is a total correlation in batches of the usual size (with 64 samples and a true value of 0.5 they are off by
    units, with either sign). So what is *reported* is another figure: the total correlation of a Gaussian with the
    covariance of the batch's codes (`gaussian_tc`; also watched, as `gaussian`). It sees correlation only, is 0 exactly where
    there is none, and about d (d - 1) / (4 B) too high by chance.
    In batches that small the gradient also widens the posteriors: watch val/reg/kl and the reconstruction.
    Units are numbers of the code, each place of a spatial one for itself; memory grows with B^2 d. A batch statistic.
    Beta-TCVAE: Chen et al. 2018, https://arxiv.org/abs/1802.04942: KL + (beta - 1) TC, so kl with weight 1 and this one with
    beta - 1.
    """

    batch_statistic = True
    watches = ("gaussian",)

    def __init__(self, *, method: str) -> None:
        super().__init__()
        self.method = one_of("reg.terms.tc.method", method, ("mss", "mws"))
        self.samples = math.inf  # before `setup`: a data set of unlimited size

    def setup(self, samples: int) -> None:
        self.samples = samples

    def forward(self, z: Tensor, factors: Distribution) -> Tensor:
        estimate = minibatch_tc(z, factors, self.samples if self.method == "mss" else None)
        return estimate - estimate.detach() + gaussian_tc(z)

    def watch(self, z: Tensor) -> dict[str, Tensor]:
        return {"gaussian": gaussian_tc(z)}


def minibatch_tc(z: Tensor, posterior: Distribution, samples: float | None) -> Tensor:
    """Return mean_i [log q^(z_i) - sum_j log q^(z_ij)] of codes z (B, d, *grid) with their own posteriors; a scalar.

    samples: N of `mss`, at least B; None: `mws`. The same samples stand for q in the joint and in each unit.
    """
    each = wide(posterior.log_prob(wide(z)[:, None])).flatten(2)  # (B, B, d): log q(z_ij | x_m)
    log_weights = shares(len(z), samples).to(each).log()
    joint = (each.sum(2) + log_weights).logsumexp(1)
    units = (each + log_weights[..., None]).logsumexp(1)
    return (joint - units.sum(1)).mean()


def shares(b: int, samples: float | None) -> Tensor:
    """Return the weight of posterior m in the density at code i, (B, B), rows summing to 1.

    samples: N of `mss`; None: `mws`.
    """
    if samples is None or b == 1:
        return torch.full((b, b), 1 / b)
    return torch.full((b, b), (1 - 1 / samples) / (b - 1)).fill_diagonal_(1 / samples)


@torch.no_grad()
def gaussian_tc(z: Tensor) -> Tensor:
    """Return the total correlation of a Gaussian with the covariance S of codes (B, d, *grid), a scalar.

    It is 1/2 (sum_j log S_jj - log det S) = -1/2 log det R, R the correlations. Eigenvalues of R below 1e-6 count as that:
    units that are copies, or fewer samples than units, give a large value and not an infinite one. Units that do not vary are
    independent of all others.
    """
    flat = wide(z).flatten(1)
    centred = flat - flat.mean(0)
    unit = centred / centred.norm(dim=0).clamp_min(torch.finfo(flat.dtype).tiny)
    r = torch.where(torch.eye(unit.shape[1], dtype=torch.bool, device=unit.device), 1.0, unit.t() @ unit)
    return -torch.linalg.eigvalsh(r).clamp_min(_LEAST).log().sum() / 2
