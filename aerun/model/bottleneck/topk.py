"""A code with a fixed number of active units."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.model.bottleneck.selected import nth_largest
from aerun.model.bottleneck.spared import Spared, largest
from aerun.parts import Thresholded
from aerun.vocabulary import wide

_DECAY = 0.99  # of the threshold's running mean, per training batch
_RISE = 0.1  # share of training over which the number of active units comes to k


class Topk(Spared):
    """z_j = max(h_j, 0) where h_j is among the k largest, else 0: (B, d) -> (B, d). Each place of a spatial code has its own k.

    scope: sample, the k largest of each sample, in both passes (Makhzani & Frey 2013, https://arxiv.org/abs/1312.5663; Gao et
    al. 2024, https://arxiv.org/abs/2406.04093); batch, the B * k largest of the batch while training, and every h_j of at
    least `threshold` in validation and use, so that a code does not depend on its batch mates. `threshold` is the running
    mean of the smallest activation kept (Bussmann et al. 2024, https://arxiv.org/abs/2412.06410); until the first training
    batch it keeps all. calibrate: when training is done, it becomes the one with which training samples have k units on, on
    average. k_start: units at the start of training, linear to k over its first tenth; null: k. wider: so many times k units
    are in the code `wider` of regularizer=wider (Multi-TopK, Gao et al. 2024); null: there is none.

    A sample with fewer than k positive h_j has fewer units on. A silent unit could be max(h, 0). Raises AerunError for k above
    latent_dim.
    """

    threshold: Tensor

    def __init__(
        self,
        *,
        latent_dim: int,
        k: int,
        scope: str,
        calibrate: bool,
        k_start: int | None,
        wider: int | None,
        k_aux: int,
        dead_after: int,
    ) -> None:
        super().__init__()
        self._set_up(latent_dim, k_aux, dead_after)
        self.k = _count("k", k, latent_dim)
        self.scope = one_of("model.bottleneck.scope", scope, ("sample", "batch"))
        self.calibrate = calibrate
        self.k_start = None if k_start is None else _count("k_start", k_start, latent_dim)
        self.wider = None if wider is None else min(latent_dim, self.k * integer("model.bottleneck.wider", wider, 2))
        if wider is None:
            self.lacking = {"wider": ("model.bottleneck.wider", "null", "4")}
        self.offers = Spared.offers | ({"wider"} if wider is not None else set())
        self.register_buffer("threshold", torch.tensor(-1.0))  # below 0: no batch yet

    def potential(self, h: Tensor) -> Tensor:
        return torch.relu(h)

    def thresholded(self) -> Thresholded:
        if self.scope == "sample":
            return self._as_it_is(k=self.k)
        below = torch.nextafter(self.threshold.float(), torch.tensor(-torch.inf))  # units are on from the threshold on
        return self._as_it_is(threshold=below.clamp_min(0).expand(self.latent_dim).clone())

    def code(self, h: Tensor) -> Tensor:
        active = torch.relu(h)
        return largest(active, self.k) if self.scope == "sample" else active * (active >= self.threshold)

    def forward(self, h: Tensor, progress: float = 1.0) -> dict[str, Any]:
        z = self._training_code(h, progress) if self.training else self.code(h)
        more = {} if self.wider is None else {"wider": self._wider(h)}
        return self._filled(h, z, (z > 0).to(z.dtype), **more)

    def _training_code(self, h: Tensor, progress: float) -> Tensor:
        k = self.k if self.k_start is None else round(self.k_start + (self.k - self.k_start) * min(1.0, progress / _RISE))
        if self.scope == "sample":
            return largest(torch.relu(h), k)
        z, smallest = _largest_of_batch(h, k)
        self.threshold.copy_(torch.where(self.threshold < 0, smallest, self.threshold.lerp(smallest, 1 - _DECAY)))
        return z

    def _wider(self, h: Tensor) -> Tensor:
        assert self.wider is not None
        batch = self.training and self.scope == "batch"
        return _largest_of_batch(h, self.wider)[0] if batch else largest(torch.relu(h), self.wider)

    def finish(self, features: Callable[[], Iterator[Tensor]]) -> dict[str, float]:
        """Set the threshold with which training samples have k units on, on average, where that is asked for."""
        if self.scope != "batch" or not self.calibrate:
            return {}
        rows = sum(h.numel() // self.latent_dim for h in features())
        self.threshold.fill_(nth_largest(features, self.k * rows))
        return {"threshold": float(self.threshold)}


def _largest_of_batch(h: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the B * k largest of the batch (times the places of a spatial code), 0 elsewhere, and the smallest of them."""
    active = torch.relu(h)
    kept, where = active.flatten().topk(k * (active.numel() // h.shape[1]))
    return torch.zeros_like(active).flatten().scatter(0, where, kept).view_as(active), wide(kept[-1].detach())


def _count(key: str, k: int, latent_dim: int) -> int:
    """Return a number of active units. Raises AerunError where it is none, or above the number of units."""
    k = integer(f"model.bottleneck.{key}", k, 1)
    if k > latent_dim:
        raise AerunError(
            f"model.bottleneck.{key}={k}: k active units need at least as many units, and model.latent_dim={latent_dim}. "
            "Lower k or raise model.latent_dim."
        )
    return k
