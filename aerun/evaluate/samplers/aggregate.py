"""The posteriors of training samples, all together."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from aerun.evaluate.samplers.fit import Fit
from aerun.model.prior.density import GaussianMixture

_NUMBERS = 20_000_000  # that are looked at together


class Aggregate(Fit):
    """q(z) = 1/N sum_n N(m_n, diag s_n^2) over training samples: what the decoder has seen. It knows the samples, and copies.

    scales: those of the posteriors (N, E), or None where codes are not random: then the codes themselves are drawn.
    """

    def __init__(self, means: Tensor, scales: Tensor | None) -> None:
        self.means, self.scales = means, scales

    @classmethod
    def fitted(cls, rows: Tensor, seed: int) -> Self:
        return cls(rows, None)

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor]) -> Self:
        return cls(arrays["means"], arrays.get("scales"))

    def arrays(self) -> dict[str, Tensor]:
        return {"means": self.means} | ({} if self.scales is None else {"scales": self.scales})

    def draw(self, n: int) -> Tensor:
        chosen = torch.randint(len(self.means), (n,), device=self.means.device)
        if self.scales is None:
            return self.means[chosen]
        return self.means[chosen] + self.scales[chosen] * torch.randn_like(self.means[chosen])

    def log_density(self, rows: Tensor) -> Tensor:
        if self.scales is None:
            return rows.new_full((len(rows),), float("nan"))
        n = len(self.means)
        p = GaussianMixture(1, self.means, self.scales, rows.new_full((n,), 1 / n).log())
        return torch.cat([p.log_density(part) for part in rows.split(max(1, _NUMBERS // self.means.numel()))])
