"""Likelihoods of a residual that have a scale, fixed or learned from the batches."""

import copy
from abc import abstractmethod
from typing import Self

import torch
from torch import Tensor

from aerun.core.checks import at_least, one_of
from aerun.core.facts import valid_weight
from aerun.model.loss.base import ResidualLoss, recorded
from aerun.vocabulary import wide

_MOMENTUM = 0.1  # of the running scale, as in batch norm


class ScaledLoss(ResidualLoss):
    """-log p(x | x_hat, s), summed over the event, with a scale s of its own; (B, *S) -> (B,).

    scale: fixed (s = `sigma` for good), shared (one s for all elements), or element (one s for each). A learned s starts at
    `sigma` and follows the training batches: each moves it a tenth of the way to `best`, of which the s of greatest likelihood
    is the fixed point, before the batch is judged by it. Evaluation uses the last s; further codes of a pass (iwae) are judged
    by the s of that pass. s is kept above `least`. For the gradient s is a constant, as at its optimum (envelope theorem).
    """

    watches: tuple[str, ...] = ("sigma",)
    sigma: Tensor  # s, a scalar or *S

    def __init__(
        self,
        *,
        scale: str,
        sigma: float,
        least: float,
        shape: tuple[int, ...],
        activation: str,
        reduction: str,
        low: float | None,
        high: float | None,
    ) -> None:
        super().__init__(activation=activation, reduction=reduction, low=low, high=high)
        self.by_element = one_of("model.loss.scale", scale, ("fixed", "shared", "element")) == "element"
        self.follows_batches = self.learned = scale != "fixed"
        self.least = least
        start = torch.tensor(at_least("model.loss.sigma", sigma, least))
        self.register_buffer("sigma", start.repeat(*shape) if self.by_element else start)

    @abstractmethod
    def nats(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return -log p of each element, (B, *S), from x_hat - x and x."""

    @abstractmethod
    def best(self, residual: Tensor, weight: Tensor | None) -> Tensor:
        """Return the scale that the present one is to move to, as `sigma`; weight (B, *S): None where all count alike."""

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        return self.nats(wide(self.residual(raw, x)), x)

    def forward(self, raw: Tensor, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        x = recorded(x, seen)
        residual = wide(self.residual(raw, x))
        if self.learned and self.training:
            counted = valid_weight(valid, residual, seen)
            self.follow(residual.detach(), counted if isinstance(counted, Tensor) else None)
        return self.reduce(self.nats(residual, x), valid, seen)

    @torch.no_grad()
    def follow(self, residual: Tensor, weight: Tensor | None) -> None:
        """Move the scale towards that of a batch's residuals (B, *S); weight (B, *S): None where all count alike."""
        best = self.best(residual, weight)
        if weight is not None:  # an element that no sample of the batch has keeps its scale
            best = torch.where((weight.sum(0) if self.by_element else weight.sum()) > 0, best, self.sigma)
        self.sigma.copy_((self.sigma + _MOMENTUM * (best - self.sigma)).clamp_min(self.least))

    def average(self, values: Tensor, weight: Tensor | None) -> Tensor:
        """Return the weighted mean of values (B, *S) over what shares a scale, as `sigma`."""
        if weight is None:
            return values.mean(0) if self.by_element else values.mean()
        if self.by_element:
            return (values * weight).sum(0) / weight.sum(0).clamp_min(1)
        return (values * weight).sum() / weight.sum().clamp_min(1)

    def of_pass(self) -> Self:
        """Return the loss with the s of this pass, which further codes do not move."""
        if not (self.learned and self.training):
            return self
        frozen = copy.copy(self)
        frozen._buffers = {**self._buffers, "sigma": self.sigma.clone()}
        frozen.training = False
        return frozen

    def watch(self) -> dict[str, Tensor]:
        return {"sigma": self.sigma.mean()}
