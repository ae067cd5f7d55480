"""A likelihood with heavy tails, for data with cells that are far off."""

import math

import torch
from torch import Tensor, distributions, nn

from aerun.core.checks import at_least
from aerun.core.errors import AerunError
from aerun.model.loss.scaled import ScaledLoss

_START = 4.0  # degrees of freedom where they are learned
_LEAST = 1e-3  # smallest scale: without it the likelihood of a perfect reconstruction is infinite


class StudentT(ScaledLoss):
    """NLL_i = -sum_d log T_nu(x_id - x_hat_id; s) in nats, (B, *S) -> (B,), with degrees of freedom nu = `df` and scale s.

    log T_nu(r; s) = lgamma((nu + 1) / 2) - lgamma(nu / 2) - log(nu pi s^2) / 2 - (nu + 1) / 2 log(1 + r^2 / (nu s^2)).
    A residual far beyond s pulls by (nu + 1) / r, less the further it is, where that of mse pulls in proportion to r: single
    wild cells move a model little. With large nu it is the gaussian loss.

    df: a number, or learned: 1 + exp(t), t a weight that the optimizer moves, 4 at the start.
    scale: fixed, shared (one s for all elements) or element (each has its own); the latter two are the scale of greatest
    likelihood, followed by its fixed point s^2 = mean w r^2, w = (nu + 1) / (nu + r^2 / s^2).
    sigma: s, or where it starts, in the data's units.
    x_hat is the centre. Lange, Little & Taylor 1989, https://doi.org/10.1080/01621459.1989.10478852. Raises AerunError for a df
    below 1, a sigma below 0.001, and a sigmoid output on data that leaves [0, 1].
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
        super().__init__(
            scale=scale,
            sigma=sigma,
            least=_LEAST,
            shape=shape,
            activation=activation,
            reduction=reduction,
            low=low,
            high=high,
        )
        self.free = nn.Parameter(torch.tensor(math.log(_START - 1))) if df == "learned" else None
        if isinstance(df, str) and df != "learned":
            raise AerunError(f"model.loss.df={df}: must be a number of at least 1, such as 4, or learned.")
        self.fixed = _START if isinstance(df, str) else at_least("model.loss.df", df, 1)

    @property
    def df(self) -> Tensor:
        """Return nu, a scalar."""
        return self.sigma.new_tensor(self.fixed) if self.free is None else 1 + self.free.exp()

    def nats(self, residual: Tensor, x: Tensor) -> Tensor:
        if self.free is None:
            nu: Tensor | float = self.fixed
            constant: Tensor | float = math.lgamma(nu / 2) - math.lgamma((nu + 1) / 2) + math.log(nu * math.pi) / 2
        else:
            nu = self.df
            constant = torch.lgamma(nu / 2) - torch.lgamma((nu + 1) / 2) + (nu * math.pi).log() / 2
        tails = torch.log1p(residual.square() / (nu * self.sigma.square()))
        return (nu + 1) / 2 * tails + (constant + self.sigma.log())

    def emit(self, raw: Tensor) -> Tensor:
        mean = self.activate(raw)
        return mean + self.sigma * distributions.StudentT(self.df).sample(mean.shape).to(mean)

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        return self.reduce(self.nats(torch.zeros_like(x), x), valid, seen)

    def best(self, residual: Tensor, weight: Tensor | None) -> Tensor:
        nu, square = (self.fixed if self.free is None else self.df), residual.square()
        return self.average(square / (nu + square / self.sigma.square()), weight).mul(nu + 1).sqrt()

    def watch(self) -> dict[str, Tensor]:
        return {**super().watch(), "df": self.df}
