"""Encoders and decoders."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aerun.parts.base import Part

_STANDING = (nn.Sigmoid, nn.Tanh, nn.Softplus, nn.ELU)


@dataclass(frozen=True)
class Level:
    """One layer of the encoder and its mirror image: `down` h_{l-1} -> h_l, `up` back, `after` what follows `up`.

    after: empty in the outermost level. logits: the modules of `after` before a sigmoid; None where h_{l-1} is not the output
    of one.
    """

    down: nn.Module
    up: nn.Module
    after: nn.Module
    logits: nn.Module | None = None


class Arch(Part):
    """Encoder and decoder. `encode` subtracts the training mean; the output bias starts at it.

    sees_mask: the encoder reads a mask beside the input, and hidden entries as the mean; with shows_fill missing cells as what
    stands for them. whitens: it learns the covariance of the training samples beforehand. shares_weights: the decoder's
    matrices are the encoder's. known: how many numbers c, what is known of a sample beforehand, the encoder reads as further
    inputs or channels. grid: sides of a spatial code. skip: how many elements of a sample the decoder reads beside the code.
    levels: layers from the input inwards, for training one by one; empty where that makes no sense. caution: what is legal and
    pointless about its settings for these data, in a sentence, or nothing.
    """

    encoder: nn.Sequential
    decoder: nn.Sequential
    mean: Tensor  # a buffer, *S or broadcastable to it
    sees_mask: bool = False
    whitens: bool = False
    shows_fill: bool = False
    even: bool = False  # does it take the steps of a sequence for evenly spaced?
    shares_weights: bool = False
    known: int = 0
    grid: tuple[int, ...] = ()
    skip: int = 0
    levels: tuple[Level, ...] = ()
    caution: str = ""

    def encode(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Map x (B, *S) to features h (B, F, *grid).

        mask (B, *S): hidden entries. valid (B, T): real steps. c (B, known): what is known beforehand.
        """
        h: Tensor = self.encoder(self.centred(x, mask, c))
        return h

    def centred(self, x: Tensor, mask: Tensor | None, c: Tensor | None = None) -> Tensor:
        """Return x less the mean and, where the encoder sees them, the mask and c as further channels."""
        x = x - self.mean
        channels = -1 if x.ndim == 3 else 1
        if self.sees_mask:
            hidden = torch.zeros_like(x, dtype=torch.bool) if mask is None else mask
            x = torch.cat([x if self.shows_fill else x.masked_fill(hidden, 0), hidden.to(x.dtype)], dim=channels)
        if c is None or not self.known:
            return x
        c = c.to(x.dtype)
        wide = c[:, None] if channels == -1 else c.reshape(*c.shape, *[1] * (x.ndim - 2))
        sides = (-1, x.shape[1], -1) if channels == -1 else (-1, -1, *x.shape[2:])
        return torch.cat([x, wide.expand(sides)], dim=channels)

    def decode(self, z: Tensor, valid: Tensor | None = None) -> Tensor:
        """Map codes z (B, d, *grid) to raw (B, *S), from the code alone; `valid` (B, T) gives the length of each output."""
        raw: Tensor = self.decoder(z)
        return raw

    def decode_held(self, z: Tensor) -> Tensor | None:
        """Return what `decode` does, with no gradient for weights, where that takes no second set of modules; else None."""
        return None

    def decode_taught(self, z: Tensor, x: Tensor, valid: Tensor | None, progress: float) -> Tensor:
        """Return the raw output (B, *S) in training, where a decoder may be fed the truth; by default `decode`'s."""
        return self.decode(z, valid)

    @property
    def is_taught(self) -> bool:
        """Return whether its decoder may be fed the truth in training, step by step."""
        return type(self).decode_taught is not Arch.decode_taught

    @property
    def constant_by(self) -> str:
        """Return the part of the encoder that can write one code for every sample, its weights at 0; empty without one.

        That is a bias, the shift of a norm, what is known beforehand, or an activation that is not 0 at 0 or stands still at
        another value.
        """
        if self.known:
            return "c"
        for module in self.encoder.modules():
            if isinstance(module, _STANDING):
                return type(module).__name__.lower()
            if any(p is not None and "bias" in name for name, p in module.named_parameters(recurse=False)):
                return "bias"
        return ""

    @abstractmethod
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        """Centre the input on `mean` (*S) and start the output at `raw_mean` (*S), its image before the activation."""

    def prepare(self, samples: Callable[[], Iterator[Tensor]]) -> None:
        """Learn from the training samples, in batches (B, *S) as often as wanted.

        Called after `start_from` and before the first step; by default it does nothing.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Return the encoder's features, so that tools that call a module see the encoder."""
        return self.encode(x)

    def encoder_weights(self) -> list[Tensor]:
        """Return the weights of the affine maps from x to h, in order."""
        return weights(layers(self.encoder.children()))

    def decoder_weights(self) -> list[Tensor]:
        """Return the weights of the affine maps from z to raw, in order; the first has shape (out, d)."""
        return weights(layers(self.decoder.children()))


def weights(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Return the matrices and kernels of the affine maps among `modules`, in order; norms and biases are left out."""
    candidates = (getattr(m, "weight", None) for m in modules)
    return [w for w in candidates if isinstance(w, Tensor) and w.ndim >= 2]


def layers(modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Yield the modules that have a weight, or no modules within them, in order: those that others are made of."""
    for module in modules:
        within = [] if isinstance(getattr(module, "weight", None), Tensor) else [*module.children()]
        if within:
            yield from layers(within)
        else:
            yield module
