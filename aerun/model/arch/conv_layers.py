"""Layers of the convolutional arch, along one axis (steps of a sequence) or two (pixels)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 4  # with stride 2 every output element is covered by the same number of taps: no checkerboard

_CONV: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d}
_TRANSPOSED: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}
_APPLY: dict[int, Any] = {1: functional.conv1d, 2: functional.conv2d}
_APPLY_TRANSPOSED: dict[int, Any] = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d}


class Swap(nn.Module):
    """(B, T, F) <-> (B, F, T): moves the channels to axis 1, where convolutions expect them, and back."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class TiedConvTranspose(nn.Module):
    """The transpose of a stride-2 convolution, with its kernel, a bias of its own and an output padding of its own."""

    def __init__(self, source: nn.Module, output_padding: tuple[int, ...]) -> None:
        super().__init__()
        self._source = (source,)  # in a tuple, so that its parameters are registered only once, by the source
        self.bias = nn.Parameter(torch.zeros(self.weight.shape[1]))
        self.output_padding = output_padding

    @property
    def weight(self) -> Tensor:
        """Return the kernel that is shared."""
        return self._source[0].get_parameter("weight")

    def forward(self, x: Tensor) -> Tensor:
        apply = _APPLY_TRANSPOSED[len(self.output_padding)]
        out: Tensor = apply(x, self.weight, self.bias, 2, 1, self.output_padding)
        return out


class TiedPointwise(nn.Module):
    """The transpose of a 1 x 1 convolution, with its kernel and a bias of its own. weight: (out, in, 1, ...)."""

    def __init__(self, source: nn.Module) -> None:
        super().__init__()
        self._source = (source,)
        self.bias = nn.Parameter(torch.zeros(self.weight.shape[0]))

    @property
    def weight(self) -> Tensor:
        """Return the kernel that is shared."""
        return self._source[0].get_parameter("weight").transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _APPLY[x.ndim - 2](x, self.weight, self.bias)
        return out


def halving(a: int, b: int, axes: int, bias: bool = True) -> nn.Module:
    """Return a convolution from a to b channels that maps each side n to floor(n / 2)."""
    layer: nn.Module = _CONV[axes](a, b, KERNEL, 2, 1, bias=bias)
    return layer


def pointwise(a: int, b: int, axes: int, bias: bool = True) -> nn.Module:
    """Return a convolution from a to b channels that maps each place by itself."""
    layer: nn.Module = _CONV[axes](a, b, 1, bias=bias)
    return layer


def doubling(outer: int, down: nn.Module, side: tuple[int, ...], upsample: str, tied: bool) -> list[nn.Module]:
    """Return the mirror image of `down`, to `outer` channels and exactly the sides `side` that it read."""
    inner = down.get_parameter("weight").shape[0]
    padding = tuple(n % 2 for n in side)
    if upsample == "nearest":
        return [nn.Upsample(size=side, mode="nearest"), _CONV[len(side)](inner, outer, 3, 1, 1)]
    if tied:
        return [TiedConvTranspose(down, padding)]
    return [_TRANSPOSED[len(side)](inner, outer, KERNEL, 2, 1, padding)]


def outputs_first(layer: nn.Module) -> Tensor | None:
    """Return the kernel of an affine map with its outputs on the first axis, however torch stores it; else None."""
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim < 2:
        return None
    turned = isinstance(layer, TiedConvTranspose | nn.ConvTranspose1d | nn.ConvTranspose2d)
    return weight.transpose(0, 1) if turned else weight
