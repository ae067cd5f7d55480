"""A non-negative code of two decisions: whether a unit is on, and how much."""

from typing import Any

import torch
from torch import Tensor, nn

from aerun.model.bottleneck.spared import Spared, by_unit
from aerun.parts import Thresholded


class Gated(Spared):
    """z_j = 1[h_j > 0] max(m_j, 0), m_j = e^{r_j} h_j + c_j, r and c learned from 0: (B, d) -> (B, d).

    `gate`: max(h, 0), as z: an L1 penalty on it (regularizer=l1 takes it by itself) decides which units are on, and does not
    shrink how much they are. It is taught by regularizer=gate, without which nothing would say which units are needed. In the
    paper's terms c is b_mag - e^r b_gate. The code is that of jumprelu on m with theta = max(c, 0).
    Rajamanoharan et al. 2024, https://arxiv.org/abs/2404.16014
    """

    offers = Spared.offers | {"gate"}

    def __init__(self, *, latent_dim: int, k_aux: int, dead_after: int) -> None:
        super().__init__()
        self._set_up(latent_dim, k_aux, dead_after)
        self.log_gain = nn.Parameter(torch.zeros(latent_dim))
        self.shift = nn.Parameter(torch.zeros(latent_dim))

    def magnitude(self, h: Tensor) -> Tensor:
        """Return m, as h."""
        return by_unit(self.log_gain.exp(), h) * h + by_unit(self.shift, h)

    def thresholded(self) -> Thresholded:
        gain, shift = self.log_gain.detach().double().exp(), self.shift.detach().double()
        return Thresholded(gain, shift, threshold=shift.clamp_min(0))

    def code(self, h: Tensor) -> Tensor:
        return torch.relu(self.magnitude(h)) * (h > 0)

    def forward(self, h: Tensor) -> dict[str, Any]:
        z = self.code(h)
        slope = (z > 0) * by_unit(self.log_gain.exp(), h)
        return self._filled(h, z, slope.to(z.dtype), gate=torch.relu(h))
