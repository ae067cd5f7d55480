"""What each kind of part promises. *A part's need is its signature; its gift is `offers`*, in the words of `vocabulary.py`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from aerun.vocabulary import parameters_of


class Part(nn.Module, ABC):
    """Anything that can be chosen on the command line and sits in the model."""

    offers: frozenset[str] = frozenset()
    watches: tuple[str, ...] = ()  # figures that `watch` returns, logged in validation as val/OPTION/FIGURE
    follows_batches: bool = False  # do its buffers follow the batches of training?

    def watch(self, *_: Any, **names: Any) -> dict[str, Tensor]:
        """Figures of a validation batch beside the objective; its parameters are names of the vocabulary."""
        return {}

    @classmethod
    def needs(cls) -> frozenset[str]:
        """Names that `forward` cannot do without."""
        return frozenset(k for k, p in parameters_of(cls.forward).items() if p.default is p.empty)

    @classmethod
    def takes(cls) -> frozenset[str]:
        """Names that `forward` uses, the optional ones included."""
        return frozenset(parameters_of(cls.forward))


class Corruption(Part):
    """x -> what the encoder sees, drawn afresh at every call; the target of training stays clean.

    `shows_mask`: the encoder is also told which entries are hidden.
    """

    shows_mask: bool = False

    @abstractmethod
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Clean (B, *S) -> {"x_in": (B, *S), ...}."""


class Bottleneck(Part):
    """h -> z. It has `features` inputs, which the arch provides; units are axis 1, a spatial code has its grid behind."""

    latent_dim: int

    @property
    @abstractmethod
    def features(self) -> int:
        """Number F of encoder outputs that this bottleneck reads."""

    @abstractmethod
    def forward(self, h: Tensor) -> dict[str, Any]:
        """The objective pass: (B, F, *grid) -> {"z": (B, d, *grid), ...}, sampled where the code is random."""

    @abstractmethod
    def code(self, h: Tensor) -> Tensor:
        """The use pass: (B, F, *grid) -> deterministic code (B, d, *grid)."""


@dataclass(frozen=True)
class Level:
    """One layer of the encoder and its mirror image: `down` h_{l-1} -> h_l, `up` back, `after` what follows `up` but last."""

    down: nn.Module
    up: nn.Module
    after: nn.Module


class Arch(Part):
    """Encoder and decoder. `encode` subtracts the training mean; the output bias starts at it.

    sees_mask: the encoder reads a mask beside the input, and hidden entries as the mean. grid: sides of a spatial code.
    levels: layers from the input inwards, for training one by one; empty where that makes no sense.
    """

    encoder: nn.Sequential
    decoder: nn.Sequential
    mean: Tensor  # a buffer, *S or broadcastable to it
    sees_mask: bool = False
    grid: tuple[int, ...] = ()
    levels: tuple[Level, ...] = ()

    def encode(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """x (B, *S), mask (B, *S) of hidden entries, valid (B, T) of real steps -> h (B, F, *grid)."""
        h: Tensor = self.encoder(self.centred(x, mask))
        return h

    def centred(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x less the mean and, where the encoder sees it, the mask as further channels."""
        x = x - self.mean
        if not self.sees_mask:
            return x
        hidden = torch.zeros_like(x, dtype=torch.bool) if mask is None else mask
        return torch.cat([x.masked_fill(hidden, 0), hidden.to(x.dtype)], dim=-1 if x.ndim == 3 else 1)

    def decode(self, z: Tensor, valid: Tensor | None = None) -> Tensor:
        """z (B, d, *grid) -> raw (B, *S), from the code alone; `valid` (B, T) says how long each output is to be."""
        raw: Tensor = self.decoder(z)
        return raw

    def decode_taught(self, z: Tensor, x: Tensor, valid: Tensor | None, progress: float) -> Tensor:
        """The decoder in training, where it may be helped by the truth; without that, `decode`."""
        return self.decode(z, valid)

    @abstractmethod
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        """Centre the input on `mean` (*S) and start the output at `raw_mean` (*S), its image before the activation."""

    def prepare(self, samples: Callable[[], Iterator[Tensor]]) -> None:
        """Told the training samples, in batches (B, *S) as often as asked, after `start_from` and before the first step."""

    def forward(self, x: Tensor) -> Tensor:
        """Encoder features, so that tools that call a module see the encoder."""
        return self.encode(x)

    def encoder_weights(self) -> list[Tensor]:
        """Weights of the affine maps from x to h, in order."""
        return weights(self.encoder.children())

    def decoder_weights(self) -> list[Tensor]:
        """Weights of the affine maps from z to raw, in order; the first has shape (out, d)."""
        return weights(self.decoder.children())


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

    def floor(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Smallest value this loss can have on x, (B,): what no model can go below."""
        return x.new_zeros(x.shape[0])

    def of_pass(self, *_: Any, **names: Any) -> "Loss":
        """Return the loss by which further codes of a pass are judged; its parameters are names of the vocabulary. What the
        loss takes from the batch, such as a learned variance, is that of the pass itself and is not learned from again.
        """
        return self

    def per_lambda(self, size: int) -> float:
        """Effective lambda over lambda: the number of elements where the loss is averaged over them, else 1."""
        return 1.0


class Regularizer(Part):
    """What else is asked of the code or of the weights.

    `forward` returns one value per sample (B,), averaged over the batch by the caller, or a scalar for a batch
    statistic or a penalty on weights. `batch_statistic` marks the former: it needs full batches.
    `shrinks_code` marks penalties that can be fooled by a small code and a large decoder. `differentiates_input`: wants
    the pass with a graph from `x_in` to `z`, where gradients are computed at all.
    """

    batch_statistic: bool = False
    shrinks_code: bool = False
    differentiates_input: bool = False

    def setup(self, samples: int) -> None:
        """Told the number of training samples before the first step."""


class Opposed(Regularizer):
    """A regularizer that trains an opponent of its own, by turns with the model: `forward` asks it, `oppose` teaches it.

    apart: the term is not part of the descended objective but a phase of its own that changes the encoder alone.
    """

    opponent: nn.Module
    apart: bool = False

    def __init__(self, *, lr: float, betas: tuple[float, float]) -> None:
        super().__init__()
        self.lr, self.betas = lr, betas

    @abstractmethod
    def oppose(self, *_: Any, **names: Any) -> Tensor:
        """The opponent's own loss, a scalar, on a pass whose tensors carry no gradient; parameters as for `forward`."""


@dataclass(frozen=True)
class Term:
    """One regularizer with its weight.

    Over the first `warmup` share of training the weight rises linearly from 0; with `cycles` above 1 training is cut into so
    many parts and the weight rises anew in each (Fu et al. 2019, https://arxiv.org/abs/1903.10145).
    """

    regularizer: Regularizer
    weight: float
    warmup: float
    cycles: int = 1

    def ramp(self, progress: float) -> float:
        """Factor in [0, 1] at `progress` in [0, 1] of training."""
        if self.warmup <= 0:
            return 1.0
        return 1.0 if progress >= 1 else min(1.0, progress * self.cycles % 1 / self.warmup)
