"""Layers of the temporal convolutional arch, along steps: (B, channels, T)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, pad

from aerun.core.checks import within

Between = Callable[[], list[nn.Module]]  # activation and dropout behind a convolution


def between(activation: Callable[[], nn.Module], dropout: float) -> Between:
    """Return what makes the activation and, where any is asked for, the dropout behind a convolution."""
    p = within("model.arch.dropout", dropout, 0, 0.99)
    return lambda: [activation(), nn.Dropout(p)] if p > 0 else [activation()]


class Dilated(nn.Module):
    """A convolution that keeps the number of steps; causal: a step reads those before it alone, else as many on both sides."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int, causal: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)
        reach = (kernel - 1) * dilation
        self.around = (reach, 0) if causal else (reach // 2, reach - reach // 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(pad(x, self.around))
        return y


class Block(nn.Module):
    """y = a(W x + a(K2 * a(K1 * x))); W is the identity where the channels are as many."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int, causal: bool, after: Between) -> None:
        super().__init__()
        convolutions = [Dilated(n, outputs, kernel, dilation, causal) for n in (inputs, outputs)]
        self.inside = nn.Sequential(*(m for conv in convolutions for m in (conv, *after())))
        self.skip = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)
        self.last = after()[0]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.skip(x) + self.inside(x))
        return y


class Means(nn.Module):
    """Means over `stride` steps each, the last one over those that are left: (B, C, T) -> (B, C, ceil(T / stride))."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool1d(x, self.stride, ceil_mode=True)


class Held(nn.Module):
    """Each place repeated for its `stride` steps, `steps` in all, beside where in its place a step is."""

    def __init__(self, channels: int, stride: int, steps: int) -> None:
        super().__init__()
        self.stride, self.steps = stride, steps
        self.place = nn.Parameter(torch.randn(1, channels, stride) / channels**0.5)

    def forward(self, z: Tensor) -> Tensor:
        whole = z.repeat_interleave(self.stride, 2) + self.place.repeat(1, 1, z.shape[2])
        return whole[:, :, : self.steps]
