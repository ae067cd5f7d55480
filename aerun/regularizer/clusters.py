"""Codes that gather in clusters: improved deep embedded clustering."""

import warnings

import torch
from torch import Tensor, nn

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.vocabulary import wide

_DECAY = 0.99  # of the clusters' masses, per training batch
_STARTS = 20  # of k-means, of which the best counts


class Clusters(Regularizer):
    """Omega_i = sum_j p_ij log(p_ij / q_ij), q_ij the share of cluster j in code i, p its sharper target; z (B, d) -> (B,).

    q_ij is proportional to 1 / (1 + ||z_i - c_j||^2 / s^2), p_ij to q_ij^2 / f_j, without gradient, where f_j is the mass of
    cluster j. The `count` centres c are learned; they start at the k-means centres of the training codes, s at the root mean
    square deviation of a unit of them, and stays there. f is a running mean over training batches: from a single batch of 64
    p would be off by 0.08 (mean absolute difference, summed over clusters), from the running mean by 0.006.

    It needs a model to begin with (model.init_from=RUN): clusters of noise stay noise. The reconstruction stays in the
    objective, as in IDEC; without it (DEC) the codes lose what does not tell clusters apart. The paper's weight of 0.1 stands
    beside an error averaged over elements: beside the summed one it is 0.1 D. `evaluate=[clustering]` compares its clusters
    (row `own`) with k-means on the same codes. `count` taken from the labels looks at them.
    Guo et al. 2017, https://www.ijcai.org/proceedings/2017/243; Xie et al. 2016, https://arxiv.org/abs/1511.06335.
    Raises AerunError for fewer than two clusters, for more than there are training samples, and for spatial codes.
    """

    follows_batches = True
    reads_codes = True
    watches = ("confidence",)
    masses: Tensor  # f, (count,)
    scale: Tensor  # s, a scalar

    def __init__(self, *, latent_dim: int, count: int) -> None:
        super().__init__()
        self.count = integer("reg.terms.clusters.count", count, 2)
        self.centres = nn.Parameter(torch.randn(count, latent_dim))
        self.register_buffer("masses", torch.full((count,), 1 / count))
        self.register_buffer("scale", torch.tensor(1.0))

    def forward(self, z: Tensor) -> Tensor:
        if z.ndim != 2:
            raise AerunError(
                f"regularizer=clusters needs codes that are vectors, and here a code has the shape {tuple(z.shape[1:])}."
            )
        log_q = self.log_shares(z)
        q = log_q.detach().exp()
        if self.training and torch.is_grad_enabled():
            self.masses.copy_(_DECAY * self.masses + (1 - _DECAY) * q.mean(0).to(self.masses))
        p = target(q, self.masses)
        return (torch.special.xlogy(p, p) - p * log_q).sum(1)

    def log_shares(self, z: Tensor) -> Tensor:
        """Return log q of codes (n, d), (n, count)."""
        away = (wide(z)[:, None] - self.centres).square().sum(2) / self.scale.square()
        return (-torch.log1p(away)).log_softmax(1)

    def assign(self, z: Tensor) -> Tensor:
        return self.log_shares(z).argmax(1)

    def watch(self, z: Tensor) -> dict[str, Tensor]:
        """Return the mean share of the cluster that each code belongs to."""
        return {"confidence": self.log_shares(z).exp().amax(1).mean()}

    def start_from(self, codes: Tensor) -> None:
        # Deferred: scikit-learn takes longer to import than a small run to train.
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        rows = wide(codes)
        if self.count > len(rows):
            raise AerunError(f"reg.terms.clusters.count={self.count}: more than the {len(rows):,} training samples.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different codes than clusters
            fit = KMeans(self.count, n_init=_STARTS, random_state=0).fit(rows.double().cpu().numpy())
        self.centres.copy_(torch.from_numpy(fit.cluster_centers_).to(self.centres))
        self.scale.copy_(rows.var(0, correction=0).mean().sqrt().clamp_min(1e-6))
        self.masses.copy_(self.log_shares(rows).exp().mean(0))


def target(q: Tensor, masses: Tensor) -> Tensor:
    """Return p, proportional to q^2 / f in each row: shares q (n, K), masses f (K,)."""
    sharp = q.square() / masses.clamp_min(torch.finfo(q.dtype).tiny)
    return sharp / sharp.sum(1, keepdim=True)
