"""The vocabulary, and what each kind of part promises. *A part's need is its signature; its gift is `offers`.*

One pass through the model fills a dictionary with the names of `VOCABULARY`. A loss or a regularizer is a module whose
`forward` parameters are names of it; a parameter with a default is used where it is offered and is None elsewhere.
Shapes: B samples, *S event shape, F encoder features, d code size.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

VOCABULARY: dict[str, tuple[str, str]] = {
    "x": ("(B, *S)", "clean input"),
    "x_in": ("(B, *S)", "what the encoder saw"),
    "mask": ("(B, *S) bool", "True where x was hidden"),
    "h": ("(B, F)", "encoder features before the bottleneck"),
    "z": ("(B, d)", "code handed to the decoder"),
    "slope": ("(B, d)", "dz_j / dh_j of a bottleneck that works unit by unit"),
    "rate": ("(B, d) in [0, 1]", "probability that a unit is on"),
    "posterior": ("Distribution, batch (B, d)", "q(z given x)"),
    "prior": ("Distribution, batch (B, d)", "the reference on this code space"),
    "encode": ("function", "x to z, deterministic, differentiable, sample by sample"),
    "decode": ("function", "z to x_hat"),
    "raw": ("(B, *S)", "decoder output before the loss's activation"),
    "x_hat": ("(B, *S)", "reconstruction"),
    "encoder_weights": ("list of tensors", "encoder weights in order, first axis = outputs"),
    "decoder_weights": ("list of tensors", "decoder weights in order, first axis = outputs"),
}
ALWAYS = frozenset({"x", "x_in", "h", "z", "decode", "raw", "x_hat", "encoder_weights", "decoder_weights"})


@dataclass(frozen=True)
class Facts:
    """What is known of a data set before it is read.

    shape: of one sample, (C, H, W) for images, (D,) for tables. unit: stored value that means 1.0 (255 for bytes).
    low, high: range after division by `unit`; None where unbounded.
    """

    shape: tuple[int, ...]
    kind: str
    unit: float
    low: float | None
    high: float | None
    classes: int | None

    @property
    def size(self) -> int:
        """Number of elements of one sample, D."""
        size = 1
        for n in self.shape:
            size *= n
        return size


class Part(nn.Module, ABC):
    """Anything that can be chosen on the command line and sits in the model."""

    offers: frozenset[str] = frozenset()

    @classmethod
    def needs(cls) -> frozenset[str]:
        """Names that `forward` cannot do without."""
        return frozenset(k for k, p in _parameters(cls).items() if p.default is p.empty)

    @classmethod
    def takes(cls) -> frozenset[str]:
        """Names that `forward` uses, the optional ones included."""
        return frozenset(_parameters(cls))


def _parameters(cls: type[nn.Module]) -> dict[str, inspect.Parameter]:
    found = dict(inspect.signature(cls.forward).parameters)
    del found["self"]
    return found


class Corruption(Part):
    """x -> what the encoder sees, drawn afresh at every call; the target of training stays clean."""

    @abstractmethod
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Clean (B, *S) -> {"x_in": (B, *S), ...}."""


class Bottleneck(Part):
    """h -> z. It has `features` inputs, which the arch provides."""

    @property
    @abstractmethod
    def features(self) -> int:
        """Number F of encoder outputs that this bottleneck reads."""

    @abstractmethod
    def forward(self, h: Tensor) -> dict[str, Any]:
        """The objective pass: (B, F) -> {"z": (B, d), ...}, sampled where the code is random."""

    @abstractmethod
    def code(self, h: Tensor) -> Tensor:
        """The use pass: (B, F) -> deterministic code (B, d)."""


class Arch(Part):
    """Encoder and decoder. `encode` subtracts the training mean; the output bias starts at it."""

    encoder: nn.Sequential
    decoder: nn.Sequential
    mean: Tensor  # a buffer, *S or broadcastable to it

    def encode(self, x: Tensor) -> Tensor:
        """(B, *S) -> h (B, F)."""
        h: Tensor = self.encoder(x - self.mean)
        return h

    def decode(self, z: Tensor) -> Tensor:
        """(B, d) -> raw (B, *S)."""
        raw: Tensor = self.decoder(z)
        return raw

    @abstractmethod
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        """Centre the input on `mean` (*S) and start the output at `raw_mean` (*S), its image before the activation."""

    def forward(self, x: Tensor) -> Tensor:
        """Encoder features, so that tools that call a module see the encoder."""
        return self.encode(x)

    def encoder_weights(self) -> list[Tensor]:
        """Weights of the affine maps from x to h, in order."""
        return weights(self.encoder)

    def decoder_weights(self) -> list[Tensor]:
        """Weights of the affine maps from z to raw, in order; the first has shape (out, d)."""
        return weights(self.decoder)


def weights(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Matrices and kernels of the affine maps among `modules`, in order; norms and biases have none."""
    found = (getattr(m, "weight", None) for m in modules)
    return [w for w in found if isinstance(w, Tensor) and w.ndim >= 2]


class Loss(Part):
    """How a reconstruction is judged. Works on `raw`; owns the output activation."""

    @abstractmethod
    def activate(self, raw: Tensor) -> Tensor:
        """raw -> x_hat."""

    @abstractmethod
    def deactivate(self, x: Tensor) -> Tensor:
        """The raw value whose reconstruction is x: where the output bias starts."""

    def floor(self, x: Tensor) -> Tensor:
        """Smallest value this loss can have on x, (B,): what no model can go below."""
        return x.new_zeros(x.shape[0])

    def per_lambda(self, size: int) -> float:
        """Effective lambda over lambda: the number of elements where the loss is averaged over them, else 1."""
        return 1.0


class Regularizer(Part):
    """What else is asked of the code or of the weights.

    `forward` returns one value per sample (B,), averaged over the batch by the caller, or a scalar for a batch
    statistic or a penalty on weights. `batch_statistic` marks the former: it needs full batches.
    `shrinks_code` marks penalties that can be fooled by a small code and a large decoder.
    """

    batch_statistic: bool = False
    shrinks_code: bool = False


@dataclass(frozen=True)
class Term:
    """One regularizer with its weight. The weight rises linearly from 0 over the first `warmup` share of training."""

    regularizer: Regularizer
    weight: float
    warmup: float

    def ramp(self, progress: float) -> float:
        """Factor in [0, 1] at `progress` in [0, 1] of training."""
        return 1.0 if self.warmup <= 0 else min(1.0, progress / self.warmup)


def call(module: nn.Module, names: Mapping[str, Any]) -> Any:
    """Call a part with the names that its signature takes."""
    return module(**{k: names[k] for k in type(module).takes() if k in names})  # type: ignore[attr-defined]


def wide(x: Tensor) -> Tensor:
    """x in at least 32 bits: exp, log and squares of half-precision codes are taken there."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


Pass = dict[str, Any]
Function = Callable[[Tensor], Tensor]
