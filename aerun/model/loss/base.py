"""What mse and bce share: a per-element loss, summed or averaged over the event."""

from abc import abstractmethod

from torch import Tensor

from aerun.checks import one_of
from aerun.parts import Loss


class ElementLoss(Loss):
    """sum_d l(raw_d, x_d), or its mean over d for `reduction: mean`. Shapes (B, *S) -> (B,)."""

    def __init__(self, *, reduction: str) -> None:
        super().__init__()
        self.reduction = one_of("model.loss.reduction", reduction, ("sum", "mean"))

    @abstractmethod
    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        """Loss of each element, (B, *S)."""

    def forward(self, raw: Tensor, x: Tensor) -> Tensor:
        return self._reduce(self.element(raw, x))

    def _reduce(self, loss: Tensor) -> Tensor:
        loss = loss.flatten(1)
        return loss.sum(1) if self.reduction == "sum" else loss.mean(1)

    def per_lambda(self, size: int) -> float:
        return float(size) if self.reduction == "mean" else 1.0
