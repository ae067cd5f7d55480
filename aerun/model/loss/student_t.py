"""A likelihood with heavy tails, for data with cells that are far off."""

import math

import torch
from torch import Tensor, distributions, nn
from torch.nn.functional import softplus

from aerun.core.checks import at_least
from aerun.core.errors import AerunError
from aerun.model.loss.base import recorded
from aerun.model.loss.scaled import ScaledLoss
from aerun.vocabulary import wide

_START = 4.0  # degrees of freedom where they are learned
_LEAST = 1e-3  # smallest scale: without it the likelihood of a perfect reconstruction is infinite
_FEWEST = 3.0  # degrees of freedom of the decoder are above it, so that there is a variance


class StudentT(ScaledLoss):
    """NLL_i = -sum_d log T_nu(x_id - x_hat_id; s) in nats, (B, *S) -> (B,), with degrees of freedom nu = `df` and scale s.

    log T_nu(r; s) = lgamma((nu + 1) / 2) - lgamma(nu / 2) - log(nu pi s^2) / 2 - (nu + 1) / 2 log(1 + r^2 / (nu s^2)).
    A residual far beyond s pulls by (nu + 1) / r, less the further it is, where that of mse pulls in proportion to r: single
    wild cells move a model little. With large nu it is the gaussian loss.

    df: a number, or learned: 1 + exp(t), t a weight that the optimizer moves, 4 at the start.
    scale: fixed, shared (one s for all elements) or element (each has its own); the latter two are the scale of greatest
    likelihood, followed by its fixed point s^2 = mean w r^2, w = (nu + 1) / (nu + r^2 / s^2).
    df=learned with scale=element: both are outputs of the decoder, for each element of each sample, beside the centre
    (MIWAE's heads): s = softplus(raw_1) + 0.001, nu = softplus(raw_2) + 3. Such a model knows where it is unsure.
    sigma: s, or where it starts, in the data's units.
    x_hat is the centre. Lange, Little & Taylor 1989, https://doi.org/10.1080/01621459.1989.10478852; Mattei & Frellsen 2019,
    https://arxiv.org/abs/1812.02633. Raises AerunError for a df below 1, a sigma below 0.001, and a sigmoid output on data that
    leaves [0, 1].
    """

    density = "gaussian"
    watches = ("sigma", "df")

    def __init__(
        self,
        *,
        df: float | str,
        scale: str,
        sigma: float,
        activation: str,
        reduction: str,
        shape: tuple[int, ...],
        low: float | None,
        high: float | None,
    ) -> None:
        if isinstance(df, str) and df != "learned":
            raise AerunError(f"model.loss.df={df}: must be a number of at least 1, such as 4, or learned.")
        of_decoder = df == "learned" and scale == "element"
        super().__init__(
            scale="fixed" if of_decoder else scale,
            sigma=sigma,
            least=_LEAST,
            shape=shape,
            activation=activation,
            reduction=reduction,
            low=low,
            high=high,
        )
        self.heads, self.shape = 3 if of_decoder else 1, shape
        self.free = nn.Parameter(torch.tensor(math.log(_START - 1))) if df == "learned" and not of_decoder else None
        self.fixed = _START if isinstance(df, str) else at_least("model.loss.df", df, 1)

    @property
    def df(self) -> Tensor:
        """Return nu, a scalar; of the decoder's, where it starts."""
        return self.sigma.new_tensor(self.fixed) if self.free is None else 1 + self.free.exp()

    def told(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return s and nu of each element (B, *S), of raw (B, 3, *S)."""
        return softplus(wide(raw[:, 1])) + _LEAST, softplus(wide(raw[:, 2])) + _FEWEST

    def activate(self, raw: Tensor) -> Tensor:
        return super().activate(raw if self.heads == 1 else raw[:, 0])

    def deactivate(self, x: Tensor) -> Tensor:
        centre = super().deactivate(x)
        if self.heads == 1:
            return centre
        starts = [(v - least).expm1().log() for v, least in ((self.sigma, _LEAST), (self.df, _FEWEST))]
        return torch.stack([centre, *(v.expand_as(centre).to(centre) for v in starts)], -1 - len(self.shape))

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        if self.heads == 1:
            return super().element(raw, x)
        return _nats(wide(self.residual(raw, x)), *self.told(raw))

    def forward(self, raw: Tensor, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        if self.heads == 1:
            return super().forward(raw, x, valid, seen)
        return self.reduce(self.element(raw, recorded(x, seen)), valid, seen)

    def nats(self, residual: Tensor, x: Tensor) -> Tensor:
        return _nats(residual, self.sigma, self.fixed if self.free is None else self.df)

    def emit(self, raw: Tensor) -> Tensor:
        mean = self.activate(raw)
        scale, nu = (self.sigma, self.df.expand(mean.shape)) if self.heads == 1 else self.told(raw)
        return mean + (scale * distributions.StudentT(nu).sample()).to(mean)

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        if self.heads > 1:  # of the decoder's: a Gaussian of the smallest scale
            least = math.log(_LEAST) + math.log(2 * math.pi) / 2
            return self.reduce(torch.full_like(x, least), valid, seen)
        return self.reduce(self.nats(torch.zeros_like(x), x), valid, seen)

    def best(self, residual: Tensor, weight: Tensor | None) -> Tensor:
        nu, square = (self.fixed if self.free is None else self.df), residual.square()
        return self.average(square / (nu + square / self.sigma.square()), weight).mul(nu + 1).sqrt()

    def watch(self, raw: Tensor | None = None) -> dict[str, Tensor]:
        if self.heads == 1 or raw is None:
            return {**super().watch(), "df": self.df}
        scale, nu = self.told(raw)
        return {"sigma": scale.mean(), "df": nu.median()}


def _nats(residual: Tensor, scale: Tensor, nu: Tensor | float) -> Tensor:
    """Return -log of Student's t of residuals (B, *S)."""
    if isinstance(nu, Tensor):
        constant: Tensor | float = torch.lgamma(nu / 2) - torch.lgamma((nu + 1) / 2) + (nu * math.pi).log() / 2
    else:
        constant = math.lgamma(nu / 2) - math.lgamma((nu + 1) / 2) + math.log(nu * math.pi) / 2
    tails = torch.log1p(residual.square() / (nu * scale.square()))
    return (nu + 1) / 2 * tails + (constant + scale.log())
