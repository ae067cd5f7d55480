"""Codes that follow the prior as a set: the maximum mean discrepancy."""

from collections.abc import Sequence

from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.regularizer.discrepancy import KERNELS, mean_squared_distance, mmd2


class Mmd(Regularizer):
    """Omega = MMD^2 between the codes of a batch and as many prior samples; (B, d) or (B, d, *grid) -> scalar.

    MMD^2 = mean_{i != j} k(z_i, z_j) + mean_{i != j} k(p_i, p_j) - 2 mean_{i, j} k(z_i, p_j): unbiased, so that it is 0 on
    average where both follow one law, and may be negative. k = sum over `scales` s of
    imq       s C / (s C + d^2)
    gaussian  exp(-d^2 / (s C))
    with d the Euclidean distance and C = 2 k sigma_p^2 (k numbers in a code, sigma_p^2 the prior's variance): the mean
    squared distance of two prior samples. A batch statistic. WAE-MMD: Tolstikhin et al. 2017,
    https://arxiv.org/abs/1711.01558, whose lambda = 10 stands beside 0.05 SE: reg.lambda = 200 beside SE. With a gaussian
    code it is InfoVAE's: Zhao et al. 2017, https://arxiv.org/abs/1706.02262. Estimator: Gretton et al. 2012,
    https://jmlr.org/papers/v13/gretton12a.html. Raises AerunError for scales that are not positive numbers.
    """

    batch_statistic = True

    def __init__(self, *, kernel: str, scales: Sequence[float]) -> None:
        super().__init__()
        self.kernel = one_of("reg.terms.mmd.kernel", kernel, KERNELS)
        if not scales or not all(0 < s < float("inf") for s in scales):
            raise AerunError(f"reg.terms.mmd.scales={list(scales)}: must be a list of positive numbers, such as [0.5,1,2].")
        self.scales = tuple(scales)

    def forward(self, z: Tensor, prior: Distribution) -> Tensor:
        return mmd2(z, prior.sample(), mean_squared_distance(prior), self.kernel, self.scales)
