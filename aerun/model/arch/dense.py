"""Fully connected encoder and decoder, the common ground of linear and mlp."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from aerun.model.arch.layers import Hidden, TiedLinear, refuse_tied
from aerun.parts import Arch


class Dense(Arch):
    """D - hidden... - F | d - ...hidden - D. Decoder widths are the encoder's, reversed."""

    offers = frozenset({"encode"})

    def _build(
        self, shape: tuple[int, ...], hidden: Sequence[int], features: int, latent_dim: int, after: Hidden, tied: bool
    ) -> None:
        self.shape = tuple(shape)
        size = int(torch.Size(shape).numel())
        self.register_buffer("mean", torch.zeros(self.shape))
        if tied:
            refuse_tied(features, latent_dim)
        down = [nn.Linear(a, b) for a, b in zip([size, *hidden], [*hidden, features], strict=True)]
        sizes = [latent_dim, *reversed(hidden), size]
        up: list[nn.Linear | TiedLinear] = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        if tied:
            up = [TiedLinear(layer) for layer in reversed(down)]
        self.encoder = nn.Sequential(nn.Flatten(), *_interleave(down, after))
        self.decoder = nn.Sequential(*_interleave(up, after), nn.Unflatten(1, self.shape))
        self.offers = after.offers() if hidden else Dense.offers

    @torch.no_grad()
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        self.mean.copy_(mean)
        self.decoder[-2].get_parameter("bias").copy_(raw_mean.flatten())


def _interleave(layers: Sequence[nn.Linear | TiedLinear], after: Hidden) -> list[nn.Module]:
    """Norm, activation and dropout between the affine maps, none after the last."""
    found: list[nn.Module] = []
    for layer in layers[:-1]:
        found += [layer, *after.dense(len(layer.bias))]
    return [*found, layers[-1]]
