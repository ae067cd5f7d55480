"""Units that are uncorrelated and of variance 1 over the data: DIP-VAE."""

from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import at_least, one_of
from aerun.parts import Regularizer
from aerun.regularizer.units import gram, table
from aerun.vocabulary import wide


class Dip(Regularizer):
    """Omega = a sum_{j != k} C_jk^2 + b sum_j (C_jj - 1)^2, C a covariance over the batch (1 / N); a scalar.

    version: ii, C of the codes themselves, Cov(mu) + diag(mean sigma^2); i, C of the posterior means alone. Version i says
    nothing of the variance of a unit that carries nothing: it drives mu up, and the code ignores sigma.
    off_diagonal: a. diagonal: b; null: a for version ii, 10 a for version i, as in the paper.
    The places of a grid count as samples. A batch statistic: independent units have about a d (d - 1) / N by chance. Use it
    beside kl. Kumar, Sattigeri & Balakrishnan 2017, https://arxiv.org/abs/1711.00848. Raises AerunError for negative weights.
    """

    batch_statistic = True
    watches = ("correlation",)

    def __init__(self, *, version: str, off_diagonal: float, diagonal: float | None) -> None:
        super().__init__()
        self.version = one_of("reg.terms.dip.version", version, ("i", "ii"))
        self.off_diagonal = at_least("reg.terms.dip.off_diagonal", off_diagonal, 0)
        usual = off_diagonal if version == "ii" else 10 * off_diagonal
        self.diagonal = usual if diagonal is None else at_least("reg.terms.dip.diagonal", diagonal, 0)

    def forward(self, factors: Distribution) -> Tensor:
        covariance = self._covariance(factors)
        variances = covariance.diagonal()
        apart = (covariance - variances.diag()).square().sum()
        return self.off_diagonal * apart + self.diagonal * (variances - 1).square().sum()

    def watch(self, factors: Distribution) -> dict[str, Tensor]:
        """Return the mean |correlation| of two units of the code."""
        covariance = self._covariance(factors)
        scale = covariance.diagonal().clamp_min(1e-12).rsqrt()
        correlation = (covariance * scale[:, None] * scale).abs()
        d = len(correlation)
        return {"correlation": (correlation.sum() - correlation.diagonal().sum()) / max(1, d * (d - 1))}

    def _covariance(self, factors: Distribution) -> Tensor:
        means = table(wide(factors.mean))
        centred = means - means.mean(0)
        covariance = gram(centred) / len(centred)
        return covariance if self.version == "i" else covariance + table(wide(factors.variance)).mean(0).diag()
