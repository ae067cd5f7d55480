"""What likelihoods of counts share: how large a row is, and how its counts are spread over the columns."""

from abc import abstractmethod
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.model.loss.base import ElementLoss
from aerun.parts import option
from aerun.preparation.columns import COUNT

_RARE = 1e-6  # smallest rate at which an output starts, and smallest size of a row
Column = tuple[str, str, int, int]


class CountLoss(ElementLoss):
    """-log p(target | mu) of whole numbers, summed over a row, (B, D) -> (B,), in 64 bits: lgamma of large numbers needs them.

    size: observed (mu_id = l_i rho_id with rho = softmax(raw) and l_i = sum_d target_id, so that a code need not say how
    large a row is) or none (mu = exp(raw)). x is log1p of the counts, and so is x_hat: of mu. A reconstruction has the size of
    its sample. Codes alone have none: they are decoded for a row of the training rows' typical size, the exponential of the
    mean of log l, and `generate` draws log l from the Gaussian of theirs. Raises AerunError for data that are no counts, and
    in training for a row without any where sizes are observed.
    """

    density = "counts"
    watches: tuple[str, ...] = ("deviance",)
    sizes: Tensor  # (2,) mean and deviation of log l in training

    def __init__(self, *, size: str, reduction: str, shape: tuple[int, ...], columns: tuple[Column, ...]) -> None:
        super().__init__(reduction=reduction)
        if not columns or any(kind != COUNT for _, kind, _, _ in columns):
            raise AerunError(
                f"model/loss={option(self)} needs counts in all columns: dataset=table dataset.prepare=counts. Use "
                "model/loss=mse."
            )
        self.observed = one_of("model.loss.size", size, ("observed", "none")) == "observed"
        self.register_buffer("sizes", torch.tensor([0.0, 0.0]))
        if reduction == "mean":
            self.beside_divergences = (
                f"model.loss.reduction=mean: with model/loss={option(self)} it is no likelihood to weigh one against."
            )

    @abstractmethod
    def nats(self, raw: Tensor, log_mu: Tensor, target: Tensor) -> Tensor:
        """Return -log p of each element (B, D), from the raw output, log mu and counts, all in 64 bits."""

    @abstractmethod
    def best(self, target: Tensor) -> Tensor:
        """Return the smallest -log p that any mu gives each count (B, D)."""

    @abstractmethod
    def draw(self, raw: Tensor, mu: Tensor) -> Tensor:
        """Return counts (B, D) drawn from raw output and mu, in 64 bits."""

    def rates(self, raw: Tensor) -> Tensor:
        """Return the values of the raw output that mu is made of, (B, D)."""
        return raw if self.heads == 1 else raw[:, 0]

    def log_mu(self, raw: Tensor, size: Tensor) -> Tensor:
        """Return log mu (B, D) of rows of the sizes l (B, 1)."""
        rates = self.rates(raw).double()
        return rates.log_softmax(-1) + size.double().clamp_min(_RARE).log() if self.observed else rates

    def element(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each element, (B, D)."""
        counts = target.double()
        return self.nats(raw.double(), self.log_mu(raw, counts.sum(1, keepdim=True)), counts)

    def forward(self, raw: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:  # type: ignore[override]
        return self.reduce(self.element(raw, target), valid).to(raw.dtype)

    def activate(self, raw: Tensor) -> Tensor:
        size = self.sizes[0].double().exp().expand(len(raw), 1)
        return self.log_mu(raw, size).exp().log1p().to(raw.dtype)

    def activate_like(self, raw: Tensor, x: Tensor) -> Tensor:
        return self.log_mu(raw, x.double().expm1().sum(1, keepdim=True)).exp().log1p().to(raw.dtype)

    def deactivate(self, x: Tensor) -> Tensor:
        return x.expm1().clamp_min(_RARE).log()

    def sample(self, raw: Tensor) -> Tensor:
        mean, deviation = self.sizes.double()
        size = (mean + deviation * torch.randn(len(raw), 1, dtype=torch.float64, device=raw.device)).exp()
        return self.draw(raw.double(), self.log_mu(raw, size).exp()).log1p().to(raw.dtype)

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        return self.reduce(self.best(x.double().expm1().round()), valid, seen).to(x.dtype)

    @torch.no_grad()
    def prepare(self, samples: Callable[[], Iterator[Tensor]]) -> None:
        """Learn how large rows are. Raises AerunError for one without any count where sizes are observed."""
        logs = list[Tensor]()
        for x in samples():
            sizes = x.double().expm1().round().sum(1)
            if self.observed and bool((sizes == 0).any()):
                row = sum(map(len, logs)) + int((sizes == 0).int().argmax()) + 1
                raise AerunError(
                    f"model/loss={option(self)}: row {row} of the training split holds no count above 0, so that it has no "
                    "size: leave it out, or use model.loss.size=none."
                )
            logs.append(sizes.clamp_min(_RARE).log())
        every = torch.cat(logs)
        self.sizes.copy_(torch.stack([every.mean(), every.std(correction=0)]))

    def watch(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the deviance of a row: twice the nats by which its loss is above that of the best mu."""
        return {"deviance": 2 * (self.element(raw, target) - self.best(target.double())).sum(1).mean()}


def poisson(log_mu: Tensor, target: Tensor) -> Tensor:
    """Return -log p of counts under a Poisson distribution."""
    return log_mu.exp() - target * log_mu + torch.lgamma(target + 1)


def negative_binomial(log_mu: Tensor, log_theta: Tensor, target: Tensor) -> Tensor:
    """Return -log p of counts of mean mu and variance mu + mu^2 / theta.

    log p = lgamma(x + theta) - lgamma(theta) - lgamma(x + 1) - theta log(1 + mu / theta) + x log(mu / (theta + mu)).
    """
    theta = log_theta.exp()
    ratio = log_mu - log_theta
    fewer = theta * torch.nn.functional.softplus(ratio)
    more = target * torch.nn.functional.logsigmoid(ratio)
    return fewer - more - torch.lgamma(target + theta) + torch.lgamma(theta) + torch.lgamma(target + 1)


def saturated(target: Tensor) -> Tensor:
    """Return log mu where mu is the counts themselves; of 0 so small that nothing comes of it."""
    return target.clamp_min(1e-12).log()
