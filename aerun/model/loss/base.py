"""What the losses share: elements summed or averaged over the event, and the output activation of losses of a residual."""

from abc import abstractmethod

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.core.facts import valid_weight
from aerun.parts import Loss


class ElementLoss(Loss):
    """sum_d l(raw_d, x_d), or its mean over d for `reduction: mean`, over real steps and seen cells only. (B, *S) -> (B,).

    What stands for a cell that was not recorded, NaN included, changes neither loss nor gradients.
    """

    def __init__(self, *, reduction: str) -> None:
        super().__init__()
        self.reduction = one_of("model.loss.reduction", reduction, ("sum", "mean"))

    @abstractmethod
    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the loss of each element, (B, *S)."""

    def forward(self, raw: Tensor, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        return self.reduce(self.element(raw, recorded(x, seen)), valid, seen)

    def reduce(self, loss: Tensor, valid: Tensor | None, seen: Tensor | None = None) -> Tensor:
        """Return the sum or mean (B,) of the losses of valid and seen elements (B, *S); 0 of a sample that has none."""
        if seen is not None:
            weight = valid_weight(valid, loss, seen)
            total = torch.where(seen, loss * weight, 0.0).flatten(1).sum(1)
            return total if self.reduction == "sum" else total / weight.flatten(1).sum(1).clamp_min(1)  # type: ignore[union-attr]
        if valid is None:
            return loss.flatten(1).sum(1) if self.reduction == "sum" else loss.flatten(1).mean(1)
        total = (loss * valid_weight(valid, loss)).flatten(1).sum(1)
        return total if self.reduction == "sum" else total / (valid.sum(1) * loss[0, 0].numel())

    def per_lambda(self, size: int) -> float:
        return float(size) if self.reduction == "mean" else 1.0


class ResidualLoss(ElementLoss):
    """A loss of r = x_hat - x, where x_hat = raw (activation: linear) or sigmoid(raw) (data in [0, 1] only).

    Raises AerunError for a sigmoid output on data that leaves [0, 1].
    """

    def __init__(self, *, activation: str, reduction: str, low: float | None, high: float | None) -> None:
        super().__init__(reduction=reduction)
        self.activation = one_of("model.loss.activation", activation, ("linear", "sigmoid"))
        if activation == "sigmoid":
            refuse_outside_unit("model.loss.activation=sigmoid", low, high, "model.loss.activation=linear")

    def residual(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return x_hat - x, (B, *S)."""
        return self.activate(raw) - x

    def activate(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw) if self.activation == "sigmoid" else raw

    def deactivate(self, x: Tensor) -> Tensor:
        return torch.logit(x, eps=0.01) if self.activation == "sigmoid" else x


def recorded(x: Tensor, seen: Tensor | None) -> Tensor:
    """Return x (B, *S) with 0 where nothing was recorded: what stands there may be NaN, whose gradients no weight removes."""
    return x if seen is None else x.masked_fill(~seen, 0)


def refuse_outside_unit(asker: str, low: float | None, high: float | None, instead: str) -> None:
    """Raise AerunError where the data's range [low, high] is not within [0, 1]."""
    if low is None or high is None or low < 0 or high > 1:
        here = "'s values have no bounds" if low is None or high is None else f"'s range is [{low:g}, {high:g}]"
        raise AerunError(f"{asker} needs data in [0, 1]; this data set{here}. Use {instead}.")
