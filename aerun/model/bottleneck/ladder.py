"""A random code in levels: what is coarse above, and what is fine below given it."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.distributions import Normal

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.model.arch.layers import silent
from aerun.model.bottleneck.levels import LevelsPosterior, LevelsPrior
from aerun.model.bottleneck.moments import moments_of
from aerun.parts import Bottleneck

_FEWEST = 2  # levels


class Ladder(Bottleneck):
    """z = (z_1, ..., z_L), d_l units a level; p(z_L) = N(0, I), p(z_l|z_(l+1)) = N(m_p, v_p), by a network.

    Upward: the first 2 d_1 of h are mean and log variance (m_1, lv_1) of what x says of z_1, the rest t_1; t_l of t_(l-1),
    and (m_l, lv_l) of t_l, by layers of `hidden` units. Downward q(z_L|x) = N(m_L, v_L), and q(z_l|z_(l+1), x) is the product
    of p and N(m_l, v_l): v = 1 / (1/v_l + 1/v_p), mean v (m_l/v_l + m_p/v_p). The decoder reads all levels. Use pass: means all
    the way down. KL(q || p) is the sum over levels, each exact given the drawn level above. One level would be `gaussian`.

    levels: shares of model.latent_dim, from the level at the decoder to the top, or numbers of units.

    Watched, of a validation batch: kl_1, ..., kl_L, nats of each level. The top falls silent easily: reg.terms.kl.warmup=0.2.
    Raises AerunError for one level, and for levels that are not the whole of a code. Sonderby et al. 2016,
    https://arxiv.org/abs/1602.02282, whose decoder reads z_1 alone; that of Tomczak & Welling 2018,
    https://arxiv.org/abs/1705.07120, reads all.
    """

    offers = frozenset({"encode", "posterior", "prior"})
    space = "real"
    of_vectors = True
    can_be_cut = False

    def __init__(self, *, latent_dim: int, levels: Sequence[float], hidden: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.widths = _widths(levels, latent_dim)
        self.hidden = integer("model.bottleneck.hidden", hidden, 1)
        self.watches = tuple(f"kl_{i + 1}" for i in range(len(self.widths)))
        above = self.widths[1:]
        self.up = nn.ModuleList(nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU()) for _ in above)
        self.evidence = nn.ModuleList(nn.Linear(hidden, 2 * d) for d in above)
        self.down = nn.ModuleList(_net(top, hidden, d) for d, top in zip(self.widths, above, strict=False))

    @property
    def features(self) -> int:
        return 2 * self.widths[0] + (self.hidden if len(self.widths) > 1 else 0)

    def forward(self, h: Tensor) -> dict[str, Any]:
        posterior = self._posterior(h)
        z = posterior.rsample()
        return {"z": z, "posterior": posterior, "prior": LevelsPrior(z, self.widths, self._above)}

    def code(self, h: Tensor) -> Tensor:
        return h[:, : self.latent_dim] if len(self.widths) == 1 else self._posterior(h).mean.to(h.dtype)

    def _posterior(self, h: Tensor) -> LevelsPosterior:
        split = 2 * self.widths[0]
        pairs, t = [h[:, :split]], h[:, split:]
        for up, evidence in zip(self.up, self.evidence, strict=True):
            t = up(t)
            pairs.append(evidence(t))
        return LevelsPosterior([moments_of(pair) for pair in pairs], self._above)

    def _above(self, level: int, z: Tensor) -> Normal:
        """Return p(z_l|z_(l+1)) of codes z of the level above, (..., d)."""
        mean, log_variance = moments_of(self.down[level](z.to(next(self.down.parameters()).dtype)), -1)
        return Normal(mean, (log_variance / 2).exp(), validate_args=False)

    def watch(self, posterior: LevelsPosterior) -> dict[str, Tensor]:
        return {key: kl.sum(1).mean() for key, kl in zip(self.watches, posterior.kl_by_level(), strict=True)}


def _net(size: int, hidden: int, units: int) -> nn.Module:
    """Return a network whose level is N(0, I) before it is trained."""
    last = silent(hidden, 2 * units)
    return nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), last)


def _widths(levels: Sequence[float], latent_dim: int) -> list[int]:
    """Return the units of each level."""
    each, total = list(levels), sum(levels)
    if abs(total - 1) < 1e-6:
        ends = [round(latent_dim * sum(each[: i + 1])) for i in range(len(each))]
        widths = [b - a for a, b in zip([0, *ends], ends, strict=False)]
    else:
        widths = [int(n) if n == int(n) else 0 for n in each]
    if len(each) == 1 < _FEWEST:
        raise AerunError(
            f"model.bottleneck.levels={each}: one level is model/bottleneck=gaussian; name two or more, such as [0.75,0.25]."
        )
    if not each or min(widths) < 1 or sum(widths) != latent_dim:
        raise AerunError(
            f"model.bottleneck.levels={each}: must be shares that sum to 1 and leave each level a unit of "
            f"model.latent_dim={latent_dim}, such as [0.75,0.25], or numbers of units that sum to it."
        )
    return widths
