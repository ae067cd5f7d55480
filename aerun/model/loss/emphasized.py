"""More weight on the elements that were hidden."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from aerun.core.checks import at_least, one_of
from aerun.core.errors import AerunError
from aerun.model.loss.base import ElementLoss, recorded, refuse_outside_unit

_ELEMENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": lambda raw, x: (raw - x).square(),
    "absolute": lambda raw, x: (raw - x).abs(),
    "bce": lambda raw, x: binary_cross_entropy_with_logits(raw, x, reduction="none"),
}


class Emphasized(ElementLoss):
    """hidden * sum_{d in mask} l_d + visible * sum_{d not in mask} l_d, shapes (B, *S) -> (B,).

    element: squared or absolute error of a linear output, or bce, with a sigmoid output and data in [0, 1]. `visible: 0`
    judges hidden elements alone (masked autoencoders), `hidden: 1, visible: 1` is the plain loss. `reduction: mean` divides by
    the number of all (valid) elements. Without a corruption, as in evaluation, all elements are visible ones, and `floor` is
    that of such a pass. Needs `mask`. Vincent et al. 2010, https://jmlr.org/papers/v11/vincent10a.html
    Raises AerunError for two weights of 0 and for bce on data that leaves [0, 1].
    """

    def __init__(
        self, *, element: str, hidden: float, visible: float, reduction: str, low: float | None, high: float | None
    ) -> None:
        super().__init__(reduction=reduction)
        self.kind = one_of("model.loss.element", element, tuple(_ELEMENTS))
        if element == "bce":
            refuse_outside_unit("model.loss.element=bce", low, high, "model.loss.element=squared")
        self.hidden = at_least("model.loss.hidden", hidden, 0)
        self.visible = at_least("model.loss.visible", visible, 0)
        if self.hidden + self.visible == 0:
            raise AerunError("model.loss.hidden=0: with model.loss.visible=0 nothing is judged. Set one of them above 0.")

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        return _ELEMENTS[self.kind](raw, x)

    def forward(  # type: ignore[override]
        self, raw: Tensor, x: Tensor, mask: Tensor, valid: Tensor | None = None, seen: Tensor | None = None
    ) -> Tensor:
        loss = self.element(raw, recorded(x, seen))
        return self.reduce(torch.where(mask, self.hidden * loss, self.visible * loss), valid, seen)

    def activate(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw) if self.kind == "bce" else raw

    def deactivate(self, x: Tensor) -> Tensor:
        return torch.logit(x, eps=0.01) if self.kind == "bce" else x

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        if self.kind != "bce":
            return super().floor(x, valid, seen)
        return self.visible * self.reduce(torch.special.entr(x) + torch.special.entr(1 - x), valid, seen)
