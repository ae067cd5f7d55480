"""Units that do not repeat each other, as far as linear correlation shows."""

from torch import Tensor

from aerun.parts import Regularizer
from aerun.regularizer.units import gram, standardized, table


class Decorrelation(Regularizer):
    """Omega = sum_{a != b} C_ab^2, C (d, d) the correlation matrix of the units over the batch (1 / N); scalar.

    (B, d, *grid): the places of a grid count as samples. Every pair counts twice, as C_ab and C_ba (DeCov takes half).
    A constant unit correlates with nothing and gets no gradient from here. normalize: false takes the covariance instead
    (DeCov), which a small code and a large decoder can meet; the correlation is blind to each unit's scale.
    A batch statistic: batches should hold well over d samples, else chance correlations weigh as much as real ones.
    Together with model/arch=linear and model.arch.atoms=orthogonal it turns the principal subspace into the principal
    components. Decorrelated is not independent: see hsic. Cogswell et al. 2016, https://arxiv.org/abs/1511.06068
    """

    batch_statistic = True

    def __init__(self, *, normalize: bool) -> None:
        super().__init__()
        self.normalize = normalize
        self.shrinks_code = not normalize

    def forward(self, z: Tensor) -> Tensor:
        rows = table(z)
        rows = standardized(rows) if self.normalize else rows - rows.mean(0)
        c = gram(rows) / len(rows)
        return (c - c.diagonal().diag()).square().sum()
