"""What mse and bce share: a per-element loss, summed or averaged over the event."""

from abc import abstractmethod

from torch import Tensor

from aerun.checks import one_of
from aerun.facts import spread
from aerun.parts import Loss


class ElementLoss(Loss):
    """sum_d l(raw_d, x_d), or its mean over d for `reduction: mean`, over real steps only. Shapes (B, *S) -> (B,)."""

    def __init__(self, *, reduction: str) -> None:
        super().__init__()
        self.reduction = one_of("model.loss.reduction", reduction, ("sum", "mean"))

    @abstractmethod
    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        """Loss of each element, (B, *S)."""

    def forward(self, raw: Tensor, x: Tensor, valid: Tensor | None = None) -> Tensor:
        return self.reduce(self.element(raw, x), valid)

    def reduce(self, loss: Tensor, valid: Tensor | None) -> Tensor:
        """Losses of elements (B, *S) -> (B,): their sum or mean over what is valid."""
        if valid is None:
            return loss.flatten(1).sum(1) if self.reduction == "sum" else loss.flatten(1).mean(1)
        total = (loss * spread(valid, loss)).flatten(1).sum(1)
        return total if self.reduction == "sum" else total / (valid.sum(1) * loss[0, 0].numel())

    def per_lambda(self, size: int) -> float:
        return float(size) if self.reduction == "mean" else 1.0
