"""A learned prior of the posteriors of learned samples."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.model.prior.density import GaussianMixture
from aerun.parts import Prior


class Vamp(Prior):
    """p(z) = 1/K sum_k q(z | u_k), u_k (K, *S) learned samples of the data's shape, K = inputs; they begin as training samples.

    On data of a known range u_k is kept within it. With all training samples as u the mean KL is the information that a code
    has of its sample. Tomczak & Welling 2018, https://arxiv.org/abs/1705.07120. Raises AerunError for more inputs than
    training samples, and for data of varying length or symbols.
    """

    learned = whole = True

    def __init__(
        self, *, inputs: int, shape: tuple[int, ...], low: float | None, high: float | None, ragged: bool, tokens: int
    ) -> None:
        super().__init__()
        if ragged or tokens:
            kind = "symbols" if tokens else "samples of varying length"
            raise AerunError(
                f"model/prior=vamp needs samples of numbers and of one length to learn some: these are {kind}. "
                "Use model/prior=flow."
            )
        self.count = integer("model.prior.inputs", inputs, 1)
        self.low, self.high = low, high
        self.inputs = nn.Parameter(torch.zeros(self.count, *shape))

    def forward(self, z: Tensor, posterior_of: Callable[[Tensor], Distribution], factors: Distribution) -> Distribution:
        u = self.inputs if self.low is None and self.high is None else self.inputs.clamp(self.low, self.high)
        q = posterior_of(u)
        return GaussianMixture(len(z), q.mean, q.stddev, q.mean.new_full((self.count,), 1 / self.count).log())

    def prepare(self, count: int, samples: Callable[[], Iterator[Tensor]], codes: Callable[[], Tensor]) -> None:
        if self.count > count:
            raise AerunError(
                f"model.prior.inputs={self.count}: more than the {count:,} training samples. Use {count} or fewer."
            )
        chosen = torch.randperm(count)[: self.count].sort().values
        done, rows = 0, []
        for part in samples():
            inside = chosen[(chosen >= done) & (chosen < done + len(part))] - done
            rows.append(part[inside.to(part.device)])
            done += len(part)
        self.inputs.copy_(torch.cat(rows))
