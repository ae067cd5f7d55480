"""Strided convolutions for images of any size from 8 x 8 and any number of channels."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from aerun.errors import AerunError
from aerun.model.arch.layers import Hidden, TiedConvTranspose2d, TiedLinear, refuse_tied, widths
from aerun.parts import Arch

_KERNEL = 4  # with stride 2 every output pixel is covered by the same number of taps: no checkerboard


class Conv(Arch):
    """C x H x W - [conv 4x4 stride 2 -> hidden_l channels]... - flatten - F | d - mirror image.

    Each level halves the sides (floor), and the mirror restores them exactly: the transposed convolution's output
    padding is chosen per level as n - 2 floor(n / 2). Kernel 4 with stride 2 overlaps evenly (Odena et al. 2016,
    https://doi.org/10.23915/distill.00003). The input is centred per channel. Raises AerunError for data that are not
    images, for sides below 8, and for more levels than the sides can be halved.
    """

    offers = frozenset({"encode"})

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        kind: str,
        features: int,
        latent_dim: int,
        hidden: Sequence[int],
        activation: str,
        norm: str,
        dropout: float,
        tied: bool,
    ) -> None:
        super().__init__()
        channels = [shape[0], *widths("model.arch.hidden", hidden, least=1)]
        sides = _sides(shape, kind, len(channels) - 1)
        after = Hidden(activation=activation, norm=norm, dropout=dropout)
        if tied:
            refuse_tied(features, latent_dim, sees_mask=False)
        self.register_buffer("mean", torch.zeros(shape[0], 1, 1))
        inner = (channels[-1], *sides[-1])
        size = int(torch.Size(inner).numel())
        down = [nn.Conv2d(a, b, _KERNEL, 2, 1) for a, b in pairwise(channels)]
        last = nn.Linear(size, features)
        self.encoder = nn.Sequential(*_each(down, after), nn.Flatten(), last)
        self.decoder = nn.Sequential(
            TiedLinear(last) if tied else nn.Linear(latent_dim, size), nn.Unflatten(1, inner), *after.image(inner[0])
        )
        self.decoder.extend(_up(down, sides, after, tied))
        self.offers = after.offers()

    @torch.no_grad()
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        self.mean.copy_(mean.mean((1, 2), keepdim=True))
        self.decoder[-1].get_parameter("bias").copy_(raw_mean.mean((1, 2)))


def _sides(shape: tuple[int, ...], kind: str, levels: int) -> list[tuple[int, int]]:
    """(H, W) before each level and after the last."""
    if kind != "image" or len(shape) != 3:
        raise AerunError(
            f"model/arch=conv needs images (C, H, W); this data set is a {kind} of shape {tuple(shape)}. Use model/arch=mlp."
        )
    low = min(shape[1:])
    if low < 8 or low >> levels < 1:
        most = low.bit_length() - 1
        raise AerunError(
            f"model/arch=conv cannot halve {shape[1]} x {shape[2]} images {levels} times (sides from 8 up): "
            f"give model.arch.hidden at most {most} sizes, or use model/arch=mlp."
        )
    return [(shape[1] >> level, shape[2] >> level) for level in range(levels + 1)]


def _each(layers: Sequence[nn.Conv2d], after: Hidden) -> list[nn.Module]:
    return [m for layer in layers for m in (layer, *after.image(layer.out_channels))]


def _up(down: Sequence[nn.Conv2d], sides: Sequence[tuple[int, int]], after: Hidden, tied: bool) -> list[nn.Module]:
    """The mirror of `down`: one transposed convolution a level, no activation after the last."""
    found: list[nn.Module] = []
    for level in reversed(range(len(down))):
        conv, (height, width) = down[level], sides[level]
        padding = (height % 2, width % 2)
        if tied:
            found.append(TiedConvTranspose2d(conv, padding))
        else:
            found.append(nn.ConvTranspose2d(conv.out_channels, conv.in_channels, _KERNEL, 2, 1, padding))
        if level:
            found += after.image(conv.in_channels)
    return found
