"""KL divergence from the prior: the variational term."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import at_least
from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.regularizer.log_ratio import divergence

_ACTIVE = 0.01  # variance of a posterior mean over samples from which its unit counts as active


class Kl(Regularizer):
    """Omega_i = KL(q(z|x_i) || p(z)), summed over units; for Gaussians 1/2 sum_j (mu_j^2 + s_j^2 - log s_j^2 - 1). (B,).

    Against a learned prior, which has no such formula, it is log q(z_i|x_i) - log p(z_i) at the code of the pass.

    reg.lambda is beta. beta = 1 with bce is the negative ELBO of a Bernoulli decoder; with mse it is that of a Gaussian
    decoder of variance 1/2 (SE + beta KL = 2 s^2 (SE / (2 s^2) + KL) for beta = 2 s^2).

    free_bits: nats that each unit may use for nothing; Omega = sum_j max(free_bits, mean_i KL_ij), a unit's KL summed over
               the places of its grid. A scalar: the mean is inside, over the batch.
    capacity:  nats that the whole code is held at; Omega = |mean_i KL_i - C|, C rising from 0 to `capacity` over training
               (at `capacity` in validation). A scalar. A list holds each part of a code of several kinds (`joint`) at its own.
               It holds from reg.lambda = 1 to 5 on; more (the paper's 1000, over
               100,000 steps) slows the reconstruction down: on the digits with C = 10, val/mse .017 at 1 and .058 at 100.

    Where codes are cut to prefixes (`nested`), a unit pays for the passes that it is part of: its KL is multiplied by `kept`.

    active_units (logged): units whose posterior mean varies over samples by more than 0.01 (variance; mean over a grid). Raises
    AerunError for negative values and for both at once. Kingma & Welling 2013, https://arxiv.org/abs/1312.6114; beta: Higgins
    et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl; free bits: Kingma et al. 2016, https://arxiv.org/abs/1606.04934;
    capacity: Burgess et al. 2018, https://arxiv.org/abs/1804.03599; active units: Burda et al. 2015,
    https://arxiv.org/abs/1509.00519
    """

    watches = ("active_units",)
    gentler = "leave each unit some nats (reg.terms.kl.free_bits=0.1)"

    def __init__(self, *, free_bits: float, capacity: float | Sequence[float] | None) -> None:
        super().__init__()
        self.free_bits = at_least("reg.terms.kl.free_bits", free_bits, 0)
        self.by_part = not isinstance(capacity, int | float) and capacity is not None
        each: Any = [] if capacity is None else capacity if self.by_part else [capacity]
        self.capacity = [at_least("reg.terms.kl.capacity", c, 0) for c in each]
        if free_bits > 0 and capacity is not None:
            raise AerunError(
                f"reg.terms.kl.capacity={capacity}: cannot be held while reg.terms.kl.free_bits={free_bits} leaves each unit "
                "a floor of its own. Use capacity=null or free_bits=0."
            )
        if self.by_part and not self.capacity:
            raise AerunError("reg.terms.kl.capacity=[]: nats for each part of the code, such as [20,2], or null.")
        self.batch_statistic = free_bits > 0 or capacity is not None
        self.by_unit = "free_bits" if free_bits > 0 else "capacity" if self.by_part else ""

    def forward(
        self,
        posterior: Distribution,
        prior: Distribution,
        progress: float = 1.0,
        kept: Tensor | None = None,
        z: Tensor | None = None,
    ) -> Tensor:
        kl = divergence(posterior, prior, z)
        kl = kl if kept is None else kl * kept
        if self.free_bits > 0:
            return _by_unit(kl).sum(2).mean(0).clamp_min(self.free_bits).sum()
        if self.by_part:
            return self._held(_by_unit(kl).sum(2).mean(0), posterior, progress)
        kl = kl.reshape(len(kl), -1).sum(1)
        return (kl.mean() - self.capacity[0] * progress).abs() if self.capacity else kl

    def _held(self, nats: Tensor, posterior: Distribution, progress: float) -> Tensor:
        """Return sum_b |KL_b - C_b|, over the parts b of a code, of the mean nats (u,)."""
        blocks = getattr(posterior, "blocks", [(len(nats), math.inf)])
        if len(blocks) != len(self.capacity):
            raise AerunError(
                f"reg.terms.kl.capacity={self.capacity}: has {len(self.capacity)} numbers, and this code has {len(blocks)} "
                f"part{'s' if len(blocks) > 1 else ''}: it needs {'a number for each' if len(blocks) > 1 else 'one number'}."
            )
        for c, (_, most) in zip(self.capacity, blocks, strict=True):
            if c > most + 1e-6:
                raise AerunError(
                    f"reg.terms.kl.capacity={self.capacity}: {c:g} nats are more than the classes can hold, {most:.4g}, the "
                    f"log of how many codes there are: it needs at most that."
                )
        parts = nats.split([count for count, _ in blocks])
        held = [(own.sum() - c * progress).abs() for own, c in zip(parts, self.capacity, strict=True)]
        return torch.stack(held).sum()

    def watch(self, posterior: Distribution) -> dict[str, Tensor]:
        spread = _by_unit(posterior.mean).var(0, correction=0).mean(1)  # (d,)
        return {"active_units": (spread > _ACTIVE).sum().to(spread.dtype)}


def _by_unit(values: Tensor) -> Tensor:
    """Map (B, d, *grid) to (B, d, places)."""
    return values.reshape(*values.shape[:2], -1)
