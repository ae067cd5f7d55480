"""How a reconstruction is judged."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from aerun.parts.base import Part


class Loss(Part):
    """How a reconstruction is judged. Works on `raw`; owns the output activation.

    density: what the loss is -log p(x | raw) of, in nats: `frequency` (of values between 0 and 1, or symbols), `gaussian` (any
    density of real values), `half` (a Gaussian of variance 1/2 without its constant), `levels` (of the whole numbers that are
    stored), `columns` (of the columns of a table, each by itself), `counts`; empty where it is no likelihood. heads: how many
    values of the decoder it reads for each element; above 1 raw is (B, heads, *S). logits: raw are those of values in [0, 1],
    sigmoid(raw) of a binary one being 1.
    """

    density: str = ""
    logits: bool = False
    heads: int = 1
    beside_divergences: str = ""  # why its values cannot be weighed against divergences of posteriors; empty where they can

    @abstractmethod
    def activate(self, raw: Tensor) -> Tensor:
        """Map raw (B, *S) to the reconstruction x_hat (B, *S)."""

    def activate_like(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the reconstruction of samples x (B, *S), whose size it may take from them; by default `activate`'s."""
        return self.activate(raw)

    @abstractmethod
    def deactivate(self, x: Tensor) -> Tensor:
        """Return the raw value whose reconstruction is x; the output bias starts there."""

    @property
    def draws(self) -> bool:
        """Return whether it draws samples, given their raw output."""
        return type(self).sample is not Loss.sample

    def sample(self, raw: Tensor) -> Tensor:
        """Return a draw (B, *S) of what a new sample is, given its raw output; by default the reconstruction itself."""
        return self.activate(raw)

    def emit(self, raw: Tensor) -> Tensor:
        """Return a draw of p(x | raw), (B, *S), noise included; by default what `sample` gives, as new samples are."""
        return self.sample(raw)

    def prepare(self, samples: Callable[[], Iterator[Tensor]]) -> None:
        """Learn from the training samples, in batches (B, *S) as often as wanted, before `deactivate` says where output starts.

        By default it does nothing.
        """

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
