"""How a reconstruction is judged."""

from abc import abstractmethod

from torch import Tensor

from aerun.parts.base import Part


class Loss(Part):
    """How a reconstruction is judged. Works on `raw`; owns the output activation."""

    @abstractmethod
    def activate(self, raw: Tensor) -> Tensor:
        """raw -> x_hat."""

    @abstractmethod
    def deactivate(self, x: Tensor) -> Tensor:
        """The raw value whose reconstruction is x: where the output bias starts."""

    def floor(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Smallest value this loss can have on x, (B,): what no model can go below."""
        return x.new_zeros(x.shape[0])

    def per_lambda(self, size: int) -> float:
        """Effective lambda over lambda: the number of elements where the loss is averaged over them, else 1."""
        return 1.0
