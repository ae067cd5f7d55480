"""Binary cross-entropy."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from aerun.model.loss.base import ElementLoss, refuse_outside_unit


class Bce(ElementLoss):
    """BCE_i = sum_d softplus(raw_id) - x_id raw_id in nats, x_hat = sigmoid(raw), for x in [0, 1].

    Equals -Bernoulli(logits=raw).log_prob(x) for binary x. For grey x it is not a likelihood and its smallest value is
    the entropy sum_d H(x_id) (`floor`), not 0: `excess` = BCE - floor is logged beside it.
    Raises AerunError for data outside [0, 1], where the loss has no lower bound.
    """

    density = "frequency"
    logits = True

    def __init__(self, *, reduction: str, low: float | None, high: float | None) -> None:
        super().__init__(reduction=reduction)
        refuse_outside_unit("model/loss=bce", low, high, "model/loss=mse")

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(raw, x, reduction="none")

    def activate(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw)

    def emit(self, raw: Tensor) -> Tensor:
        return torch.bernoulli(torch.sigmoid(raw))

    def deactivate(self, x: Tensor) -> Tensor:
        return torch.logit(x, eps=0.01)

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        return self.reduce(torch.special.entr(x) + torch.special.entr(1 - x), valid, seen)
