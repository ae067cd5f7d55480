"""A non-negative code with a learned threshold for each unit."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from aerun.core.checks import at_least
from aerun.model.bottleneck.spared import Spared, by_unit
from aerun.parts import Thresholded

log = logging.getLogger("aerun")

_LEAST, _MOST = 1e-3, 0.5  # share of features within the window of a threshold: outside of these a bandwidth means little
_SAMPLES = 2000


class Jumprelu(Spared):
    """z_j = h_j 1[h_j > theta_j], theta_j = max(t_j, 0), t_j learned: (B, d) -> (B, d). `active`: how many units are on, (B,).

    A jump has no derivative; of the *expected* loss there is one, which is estimated with the kernel K(u) = 1[|u| < 1/2]:

    dz/dh = 1[h > theta], dz/dtheta = -(theta / e) K((h - theta) / e), d active/dtheta = -(1 / e) K((h - theta) / e)

    and d active/dh = 0, e = `bandwidth`. The kernel reads h on both sides of theta; fed with the code z it would lose one half.
    t itself is descended and not its logarithm, which hardly moves under Adam. t just below 0 still gets the gradient of theta,
    so that a threshold which has reached 0 can rise again. threshold: where all begin. Both are for samples of mean norm
    sqrt(D) (dataset.prepare=norm). Watched beside l0 and dead: window, the share of features within e / 2 of their threshold.
    Rajamanoharan et al. 2024, https://arxiv.org/abs/2407.14435. Raises AerunError for a bandwidth that is not above 0.
    """

    offers = Spared.offers | {"active"}
    watches = (*Spared.watches, "window")

    def __init__(self, *, latent_dim: int, threshold: float, bandwidth: float, k_aux: int, dead_after: int) -> None:
        super().__init__()
        self._set_up(latent_dim, k_aux, dead_after)
        self.bandwidth = at_least("model.bottleneck.bandwidth", bandwidth, 1e-12)
        self.threshold = nn.Parameter(torch.full((latent_dim,), at_least("model.bottleneck.threshold", threshold, 0.0)))

    def theta(self) -> Tensor:
        """Return the thresholds, (d,)."""
        clamped, reach = torch.relu(self.threshold), (self.threshold <= 0) & (self.threshold > -self.bandwidth)
        return clamped + (self.threshold - self.threshold.detach()) * reach

    def thresholded(self) -> Thresholded:
        return self._as_it_is(threshold=torch.relu(self.threshold.detach()))

    def code(self, h: Tensor) -> Tensor:
        return h * (h > by_unit(torch.relu(self.threshold), h))

    def forward(self, h: Tensor) -> dict[str, Any]:
        theta = by_unit(self.theta(), h)
        on, window = (h > theta).to(h.dtype), self._near(h, theta).to(h.dtype) / self.bandwidth
        moved = theta - theta.detach()  # 0, with the gradient of theta
        z = h * on - (theta.detach() * window) * moved
        active = (on - window * moved).flatten(1).sum(1)
        return self._filled(h, z, on, active=active)

    def _near(self, h: Tensor, theta: Tensor) -> Tensor:
        return (h - theta).detach().abs() < self.bandwidth / 2

    def watch(self, z: Tensor, h: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        near = self._near(h, by_unit(torch.relu(self.threshold), h))
        return {**super().watch(z), "window": near.to(h.dtype).mean()}

    def prepare(self, count: int, features: Callable[[int], Tensor]) -> None:
        """Say where the bandwidth does not suit the scale of the features."""
        h = features(min(count, _SAMPLES))
        share = float(self._near(h, by_unit(torch.relu(self.threshold), h)).double().mean())
        if not _LEAST <= share <= _MOST:
            log.warning(
                "model.bottleneck.bandwidth=%g: %.2g %% of features lie within half of it of their threshold as training "
                "begins, so thresholds %s. Scale the data (dataset.prepare=norm), or set it to half a feature's usual size.",
                self.bandwidth,
                100 * share,
                "hardly learn" if share < _LEAST else "are all pulled alike",
            )
