"""Cross-entropy over symbols, for text."""

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.model.loss.base import ElementLoss
from aerun.vocabulary import wide

_LEAST = 1e-4  # smallest probability at which an output starts


class Categorical(ElementLoss):
    """CE_i = -sum_t valid_it sum_v x_itv log softmax(raw_it)_v in nats, raw and x (B, T, V) -> (B,), x one-hot, 0 in padding.

    x_hat = softmax(raw), the probability of each symbol; the loss is -log p(text) of a decoder whose steps are independent
    given the code. `reduction: mean` is per valid symbol, so D is the number of steps. `accuracy`: share of a batch's valid
    symbols that are the most probable one. Raises AerunError for data that are not text.
    """

    density = "frequency"
    watches = ("accuracy",)

    def __init__(self, *, reduction: str, shape: tuple[int, ...], kind: str) -> None:
        super().__init__(reduction=reduction)
        if kind != "text":
            raise AerunError(
                f"model/loss=categorical needs text, one symbol of a known set at each step; this data set's kind is {kind}. "
                "Use model/loss=mse, or model/loss=bce for data in [0, 1]."
            )
        self.symbols = shape[-1]

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the loss of each step, (B, T)."""
        return -(x * wide(raw).log_softmax(-1)).sum(-1)

    def activate(self, raw: Tensor) -> Tensor:
        return raw.softmax(-1)

    def deactivate(self, x: Tensor) -> Tensor:
        return x.clamp_min(_LEAST).log()

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        return self.reduce(torch.special.entr(x).sum(-1), valid, seen)

    def per_lambda(self, size: int) -> float:
        return super().per_lambda(size // self.symbols)

    def watch(self, raw: Tensor, x: Tensor, valid: Tensor | None = None) -> dict[str, Tensor]:
        right = raw.argmax(-1) == x.argmax(-1)
        counted = torch.ones_like(right) if valid is None else valid
        return {"accuracy": (right & counted).sum() / counted.sum()}
