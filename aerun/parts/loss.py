"""How a reconstruction is judged."""

from abc import abstractmethod
from typing import Any

from torch import Tensor

from aerun.parts.base import Part


class Loss(Part):
    """How a reconstruction is judged. Works on `raw`; owns the output activation.

    density: what the loss is -log p(x | raw) of, in nats: `frequency` (of values between 0 and 1, or symbols), `gaussian` (any
    density of real values), `half` (a Gaussian of variance 1/2 without its constant), `levels` (of the whole numbers that are
    stored); empty where it is no likelihood.
    """

    density: str = ""

    @abstractmethod
    def activate(self, raw: Tensor) -> Tensor:
        """Map raw (B, *S) to the reconstruction x_hat (B, *S)."""

    @abstractmethod
    def deactivate(self, x: Tensor) -> Tensor:
        """Return the raw value whose reconstruction is x; the output bias starts there."""

    def emit(self, raw: Tensor) -> Tensor:
        """Return a draw of p(x | raw), (B, *S); the reconstruction itself where the loss is no likelihood."""
        return self.activate(raw)

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        """Return the smallest value that this loss can have on x, (B,): no model can go below it."""
        return x.new_zeros(x.shape[0])

    def of_pass(self, *_: Any, **names: Any) -> "Loss":
        """Return the loss by which further codes of a pass are judged; its parameters are names of the vocabulary.

        What the loss derives from the batch, such as a learned variance, is that of the pass, and is not learned from again.
        """
        return self

    def per_lambda(self, size: int) -> float:
        """Return effective lambda over lambda.

        It is the number of elements where the loss is averaged over them, else 1.
        """
        return 1.0
