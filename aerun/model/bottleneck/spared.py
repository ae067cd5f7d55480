"""What codes share whose units are on or exactly off: which have long been silent, and what those could add."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import elu

from aerun.core.checks import integer
from aerun.parts import Bottleneck, Thresholded


class Spared(Bottleneck):
    """Units that are on (z_j > 0) or exactly 0, of one feature each: (B, d) -> (B, d), or at each place of a grid.

    A unit is dead when `dead_after` training samples have passed since one switched it on. `spare`: what the k_aux most active
    dead units of each sample could be (`potential`), 0 elsewhere; regularizer=revival gives it gradients. Watched: l0, the
    number of units on (at each place); dead, the share of dead ones.
    """

    offers = frozenset({"encode", "slope", "spare"})
    watches: tuple[str, ...] = ("l0", "dead")
    follows_batches = True

    idle: Tensor

    def _set_up(self, latent_dim: int, k_aux: int, dead_after: int) -> None:
        """Take the settings of a class built on this one, whose `forward` ends in `_filled`."""
        self.latent_dim = latent_dim
        self.k_aux = integer("model.bottleneck.k_aux", k_aux, 1)
        self.dead_after = integer("model.bottleneck.dead_after", dead_after, 1)
        self.register_buffer("idle", torch.zeros(latent_dim, dtype=torch.long))

    @property
    def features(self) -> int:
        return self.latent_dim

    def _as_it_is(self, k: int | None = None, threshold: Tensor | None = None) -> Thresholded:
        """Return a code of the features themselves."""
        return Thresholded(torch.ones(self.latent_dim), torch.zeros(self.latent_dim), k, threshold)

    def potential(self, h: Tensor) -> Tensor:
        """Return what a silent unit could be: h + 1 above 0 and e^h below, as h.

        Below 0 a unit of relu has no gradient by itself; e^h has one (ghost gradients, Jermyn & Templeton 2024,
        https://transformer-circuits.pub/2024/jan-update/index.html). A feature of exactly 0 is one that does not exist: of a
        smaller code among larger ones that are trained as one.
        """
        return torch.where(h == 0, 0, elu(h) + 1)

    def _filled(self, h: Tensor, z: Tensor, slope: Tensor, **more: Tensor) -> dict[str, Any]:
        """Return the names of a pass, and in training count since when each unit has been silent."""
        if self.training:
            used = (z > 0).transpose(0, 1).flatten(1).any(1)
            self.idle.copy_(torch.where(used, 0, self.idle + len(h)))
        return {"z": z, "slope": slope, "spare": self._spare(h), **more}

    def _spare(self, h: Tensor) -> Tensor:
        dead = by_unit(self.idle >= self.dead_after, h)
        return largest(self.potential(h) * dead, min(self.k_aux, self.latent_dim))

    def watch(self, z: Tensor) -> dict[str, Tensor]:
        places = z.numel() // self.latent_dim
        return {"l0": (z > 0).sum() / places, "dead": (self.idle >= self.dead_after).to(z.dtype).mean()}


def by_unit(values: Tensor, h: Tensor) -> Tensor:
    """Return values (d,), one a unit, so that they stand beside h (B, d, *grid)."""
    return values.view(-1, *[1] * (h.ndim - 2))


def largest(active: Tensor, k: int) -> Tensor:
    """Return the k largest along axis 1, 0 elsewhere."""
    kept, where = active.topk(k, dim=1, sorted=False)
    return torch.zeros_like(active).scatter(1, where, kept)
