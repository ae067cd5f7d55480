"""A code with a fixed number of active units."""

from typing import Any

import torch
from torch import Tensor

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.parts import Bottleneck
from aerun.vocabulary import wide

_DECAY = 0.99  # of the threshold's running mean, per training batch


class Topk(Bottleneck):
    """z_j = max(h_j, 0) where h_j is among the k largest, else 0: (B, d) -> (B, d). Each place of a spatial code has its own k.

    scope: sample, the k largest of each sample, in both passes (Makhzani & Frey 2013, https://arxiv.org/abs/1312.5663; Gao et
    al. 2024, https://arxiv.org/abs/2406.04093); batch, the B * k largest of the batch while training, and every h_j of at
    least `threshold` in validation and use, so that a code does not depend on its batch mates. `threshold` is the running
    mean of the smallest activation kept (Bussmann et al. 2024, https://arxiv.org/abs/2412.06410); until the first training
    batch it keeps all.

    A sample with fewer than k positive h_j has fewer units on. A unit is dead when `dead_after` training samples have passed
    since one switched it on. `spare`: max(h, 0) of the k_aux most active dead units of each sample, 0 elsewhere. Watched: l0,
    the number of units on (at each place); dead, the share of dead ones. Raises AerunError for k above latent_dim.
    """

    offers = frozenset({"encode", "slope", "spare"})
    watches = ("l0", "dead")
    follows_batches = True

    threshold: Tensor
    idle: Tensor

    def __init__(self, *, latent_dim: int, k: int, scope: str, k_aux: int, dead_after: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.k = integer("model.bottleneck.k", k, 1)
        if k > latent_dim:
            raise AerunError(
                f"model.bottleneck.k={k}: k active units need at least as many units, and model.latent_dim={latent_dim}. "
                "Lower k or raise model.latent_dim."
            )
        self.scope = one_of("model.bottleneck.scope", scope, ("sample", "batch"))
        self.k_aux = integer("model.bottleneck.k_aux", k_aux, 1)
        self.dead_after = integer("model.bottleneck.dead_after", dead_after, 1)
        self.register_buffer("threshold", torch.tensor(-1.0))  # below 0: no batch yet
        self.register_buffer("idle", torch.zeros(latent_dim, dtype=torch.long))

    @property
    def features(self) -> int:
        return self.latent_dim

    def code(self, h: Tensor) -> Tensor:
        active = torch.relu(h)
        return _largest(active, self.k) if self.scope == "sample" else active * (active >= self.threshold)

    def forward(self, h: Tensor) -> dict[str, Any]:
        z = self._batch_code(h) if self.training and self.scope == "batch" else self.code(h)
        on = z > 0
        if self.training:
            used = on.transpose(0, 1).flatten(1).any(1)
            self.idle.copy_(torch.where(used, 0, self.idle + len(h)))
        return {"z": z, "slope": on.to(z.dtype), "spare": self._spare(h)}

    def _batch_code(self, h: Tensor) -> Tensor:
        """Return the B * k largest of the batch (times the places of a spatial code), 0 elsewhere.

        The threshold follows the smallest of them.
        """
        active = torch.relu(h)
        kept, where = active.flatten().topk(self.k * (active.numel() // self.latent_dim))
        smallest = wide(kept[-1].detach())
        self.threshold.copy_(torch.where(self.threshold < 0, smallest, self.threshold.lerp(smallest, 1 - _DECAY)))
        return torch.zeros_like(active).flatten().scatter(0, where, kept).view_as(active)

    def _spare(self, h: Tensor) -> Tensor:
        dead = (self.idle >= self.dead_after).view(-1, *[1] * (h.ndim - 2))
        return _largest(torch.relu(h) * dead, min(self.k_aux, self.latent_dim))

    def watch(self, z: Tensor) -> dict[str, Tensor]:
        places = z.numel() // self.latent_dim
        return {"l0": (z > 0).sum() / places, "dead": (self.idle >= self.dead_after).to(z.dtype).mean()}


def _largest(active: Tensor, k: int) -> Tensor:
    """Return the k largest along axis 1, 0 elsewhere."""
    kept, where = active.topk(k, dim=1, sorted=False)
    return torch.zeros_like(active).scatter(1, where, kept)
