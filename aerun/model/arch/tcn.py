"""Dilated convolutions for sequences: a temporal convolutional network."""

import torch
from torch import Tensor, nn

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.model.arch.conv_layers import Swap
from aerun.model.arch.dilated import Block, Held, Means, between
from aerun.model.arch.layers import ACTIVATIONS, refuse_other_than_sequences, refuse_ragged
from aerun.parts import Arch

_STRIDE = 8  # of code=strided, where nothing else is asked


class Tcn(Arch):
    """[residual block of two convolutions, dilation 2^l]_l = 0..L-1 - code layer, and the same blocks in mirrored order.

    x (B, T, F) keeps its T steps through all blocks: y = a(x + a(K2 * a(K1 * x))), a the activation, * a convolution with the
    dilation 2^l. So a step sees 1 + 2 (kernel - 1)(2^L - 1) steps, the receptive field: 61, 125, 253 for kernel 3 and L = 4, 5,
    6. Bai et al. 2018, https://arxiv.org/abs/1803.01271. levels: L; null: as many as the window needs, so that the code sees
    all of it; fewer are told.

    causal: steps see themselves and what was before; else as much on both sides. code: last, an affine map of the last step,
    h (B, F); strided, the mean over each `stride` steps, each mapped by itself: h (B, F, ceil(T / stride)). A code that kept
    all steps would be larger than the samples. The decoder reads the code as channels of all steps (last: by an affine map;
    strided: each place for its steps) and sees both sides.

    The input is centred per channel. Samples may differ in length with causal=true and code=last, which is then the last real
    step. Raises AerunError for data that are no sequences, and for other samples of varying length.
    """

    offers = frozenset({"encode"})
    even = True

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        kind: str,
        ragged: bool,
        sees_mask: bool,
        known: int = 0,
        features: int,
        latent_dim: int,
        hidden: int,
        levels: int | None,
        kernel: int,
        causal: bool,
        code: str,
        stride: int | None,
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        refuse_other_than_sequences(kind, shape, "tcn")
        self.steps, channels = shape
        self.last = one_of("model.arch.code", code, ("last", "strided")) == "last"
        if not (causal and self.last):
            refuse_ragged(ragged, f"tcn model.arch.{'code=strided' if causal else 'causal=false'}")
        width, size = integer("model.arch.hidden", hidden, 1), integer("model.arch.kernel", kernel, 2)
        if not causal and size % 2 == 0:
            raise AerunError(f"model.arch.kernel={size}: has no middle, which model.arch.causal=false needs: an odd one.")
        if self.last and stride is not None:
            raise AerunError(f"model.arch.stride={stride}: of model.arch.code=strided; leave it out with code=last.")
        self.stride = 1 if self.last else _STRIDE if stride is None else integer("model.arch.stride", stride, 2)
        number = _levels(self.steps, size, causal, self.last) if levels is None else integer("model.arch.levels", levels, 1)
        self.field = _reach(size, number, True)
        self.sees_mask, self.known = sees_mask, known
        after = between(ACTIVATIONS[one_of("model.arch.activation", activation, tuple(ACTIVATIONS))], dropout)
        self.register_buffer("mean", torch.zeros(channels))
        down = [2**level for level in range(number)]
        sizes = [channels * (1 + sees_mask) + known, *[width] * number]
        blocks = [Block(a, width, size, dilation, causal, after) for a, dilation in zip(sizes, down, strict=False)]
        back = [Block(width, width, size, dilation, False, after) for dilation in reversed(down)]
        places = -(-self.steps // self.stride)
        self.grid = () if self.last else (places,)
        if self.last:
            self.encoder = nn.Sequential(Swap(), *blocks, nn.Linear(width, features))
            first = [nn.Linear(latent_dim, width * self.steps), nn.Unflatten(1, (width, self.steps))]
        else:
            self.encoder = nn.Sequential(Swap(), *blocks, Means(self.stride), nn.Conv1d(width, features, 1))
            first = [nn.Conv1d(latent_dim, width, 1), Held(width, self.stride, self.steps)]
        self.decoder = nn.Sequential(*first, *back, nn.Conv1d(width, channels, 1), Swap())
        self.caution = _caution(_reach(size, number, causal or not self.last), self.steps, number)

    def states(self, x: Tensor, mask: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Return what the blocks of the encoder make of each step of x (B, T, F): (B, hidden, T)."""
        h: Tensor = self.encoder[: -1 if self.last else -2](self.centred(x, mask, c))
        return h

    def encode(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        h = self.states(x, mask, c)
        if not self.last:
            places: Tensor = self.encoder[-2:](h)
            return places
        if valid is None:
            at = h[:, :, -1]
        else:
            end = (valid.sum(1) - 1).clamp_min(0)
            at = h.gather(2, end[:, None, None].expand(-1, h.shape[1], 1))[:, :, 0]
        code: Tensor = self.encoder[-1](at)
        return code

    def decode(self, z: Tensor, valid: Tensor | None = None) -> Tensor:
        raw: Tensor = self.decoder(z)
        return raw if valid is None else raw.masked_fill(~valid[..., None], 0)

    @torch.no_grad()
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        self.mean.copy_(mean.mean(0))
        self.decoder[-2].get_parameter("bias").copy_(raw_mean.mean(0))

    def encoder_weights(self) -> list[Tensor]:
        return [p for p in self.encoder.parameters() if p.ndim >= 2]

    def decoder_weights(self) -> list[Tensor]:
        return [p for p in self.decoder.parameters() if p.ndim >= 2]


def _levels(steps: int, kernel: int, causal: bool, last: bool) -> int:
    """Return how many levels let the code see all steps."""
    level = 1
    while _reach(kernel, level, causal or not last) < steps:
        level += 1
    return level


def _reach(kernel: int, levels: int, whole: bool) -> int:
    """Return how many steps the code's step sees: the receptive field, or of one that lies on both sides the half before it."""
    field = 1 + 2 * (kernel - 1) * (2**levels - 1)
    return field if whole else field // 2 + 1


def _caution(reach: int, steps: int, levels: int) -> str:
    if reach >= steps:
        return ""
    return (
        f"model.arch.levels={levels}: a step sees {reach} steps, and a sample has {steps}: what lies further away does not "
        "reach the code. Add levels, or leave it to the window: model.arch.levels=null."
    )
