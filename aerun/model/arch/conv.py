"""Strided convolutions for images and sequences of any size from 8 and any number of channels."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.model.arch.conv_layers import Swap, TiedPointwise, doubling, halving, outputs_first, pointwise
from aerun.model.arch.layers import Hidden, TiedLinear, refuse_known, refuse_ragged, refuse_tied, widths
from aerun.parts import Arch, Level


class Conv(Arch):
    """[convolution 4, stride 2 -> hidden_l channels]... - code layer, and its mirror image.

    Images (C, H, W) are convolved over H and W, sequences and text (T, F) over T with F as channels. Each level halves the
    sides (floor) and the mirror restores them exactly. Masci et al. 2011, https://doi.org/10.1007/978-3-642-21735-7_7

    code: vector, flattened and an affine map, h (B, F); or spatial, a 1 x 1 convolution to F channels, h (B, F, *grid), grid =
    sides / 2^levels (floor). A spatial code moves with the input: shifting x by 2^levels shifts the code by 1, away from the
    borders (norm=layer, which reads all places, ends that).
    upsample: transposed, kernel 4 with stride 2, which overlaps evenly (Odena et al. 2016,
    https://doi.org/10.23915/distill.00003), and an output padding of n - 2 floor(n / 2) on each side; or nearest, the
    nearest neighbour at exactly the mirrored size and a convolution of kernel 3.

    bias: the encoder's maps have one; without, its norms learn neither scale nor shift.

    The input is centred per channel. Where the encoder sees a mask it reads twice the channels, and a further channel for each
    number that is known beforehand. Raises AerunError for tables,
    for samples of varying length, for sides below 8, for more levels than the sides can be halved, and for `tied` where the
    decoder is not the encoder's transpose.
    """

    offers = frozenset({"encode"})

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        kind: str,
        ragged: bool,
        sees_mask: bool,
        known: int = 0,
        given: int = 0,
        features: int,
        latent_dim: int,
        hidden: Sequence[int],
        code: str,
        upsample: str,
        activation: str,
        norm: str,
        dropout: float,
        tied: bool,
        bias: bool,
    ) -> None:
        super().__init__()
        refuse_ragged(ragged, "conv")
        spatial = one_of("model.arch.code", code, ("vector", "spatial")) == "spatial"
        one_of("model.arch.upsample", upsample, ("transposed", "nearest"))
        sizes = widths("model.arch.hidden", hidden, least=1)
        sides = _sides(tuple(shape), kind, len(sizes))
        self.shares_weights = tied
        if tied:
            refuse_known(given, "model.arch.tied=true")
            _refuse_tied(features, latent_dim, sees_mask, upsample)
        image = kind == "image"
        channels = shape[0] if image else shape[-1]
        self.sees_mask, self.known, self.swapped, self.even = sees_mask, known, not image, not image
        self.grid = sides[-1] if spatial else ()
        self.register_buffer("mean", torch.zeros(channels, 1, 1) if image else torch.zeros(1, channels))
        after = Hidden(activation=activation, norm=norm, dropout=dropout)
        down = [halving(a, b, len(sides[0]), bias) for a, b in pairwise([channels * (1 + sees_mask) + known, *sizes])]
        up = [doubling(a, layer, side, upsample, tied) for a, layer, side in zip([channels, *sizes], down, sides, strict=False)]
        ends = _ends((sizes[-1], *sides[-1]), features, latent_dim, spatial, tied, bias)
        self.levels = (
            *_levels(down, up, sizes, after, self.swapped, bias),
            _level(*ends, after.image(sizes[-1], len(sides[0]))),
        )
        self.encoder = nn.Sequential(*(m for level in self.levels for m in level.down.children()))
        self.decoder = nn.Sequential(
            *(m for level in reversed(self.levels) for part in (level.up, level.after) for m in part.children())
        )
        self.offers = after.offers()

    @torch.no_grad()
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        last = self.decoder[-2 if self.swapped else -1]
        self.mean.copy_(self._by_channel(mean).view_as(self.mean))
        last.get_parameter("bias").copy_(self._by_channel(raw_mean))

    def _by_channel(self, x: Tensor) -> Tensor:
        """Return the mean of *S over pixels or steps, (channels,)."""
        return x.mean(0) if self.swapped else x.mean((1, 2))

    def decoder_weights(self) -> list[Tensor]:
        return [w for w in map(outputs_first, self.decoder.children()) if w is not None]


def _sides(shape: tuple[int, ...], kind: str, levels: int) -> list[tuple[int, ...]]:
    """Return the sides before each level and after the last: (H, W) of an image, (T,) of a sequence.

    Raises AerunError for other data and for sides that cannot be halved so often.
    """
    if (kind, len(shape)) not in (("image", 3), ("sequence", 2), ("text", 2)):
        raise AerunError(
            f"model/arch=conv needs images (C, H, W) or sequences (T, F); this data set is a {kind} of shape {shape}. "
            "Use model/arch=mlp."
        )
    sides = shape[1:] if kind == "image" else shape[:1]
    low = min(sides)
    if low < 8 or low >> levels < 1:
        samples = f"{sides[0]} x {sides[1]} images" if kind == "image" else f"sequences of {low} steps"
        most = f"give model.arch.hidden at most {low.bit_length() - 1} sizes, or " if low >= 8 else ""
        raise AerunError(f"model/arch=conv cannot halve {samples} {levels} times (sides from 8 up): {most}use model/arch=mlp.")
    return [tuple(n >> level for n in sides) for level in range(levels + 1)]


def _refuse_tied(features: int, latent_dim: int, sees_mask: bool, upsample: str) -> None:
    refuse_tied(features, latent_dim, sees_mask)
    if upsample != "transposed":
        raise AerunError(
            f"model.arch.tied=true needs a decoder that is the encoder's transpose, and model.arch.upsample={upsample} is "
            "not. Use model.arch.upsample=transposed or model.arch.tied=false."
        )


def _ends(
    inner: tuple[int, ...], features: int, latent_dim: int, spatial: bool, tied: bool, bias: bool
) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return the modules from feature maps of shape `inner` to the code, and those from the code back to them."""
    if spatial:
        place = pointwise(inner[0], features, len(inner) - 1, bias)
        return [place], [TiedPointwise(place) if tied else pointwise(latent_dim, inner[0], len(inner) - 1)]
    size = int(torch.Size(inner).numel())
    last = nn.Linear(size, features, bias=bias)
    return [nn.Flatten(), last], [TiedLinear(last) if tied else nn.Linear(latent_dim, size), nn.Unflatten(1, inner)]


def _level(down: Sequence[nn.Module], up: Sequence[nn.Module], after: Sequence[nn.Module]) -> Level:
    return Level(nn.Sequential(*down), nn.Sequential(*up), nn.Sequential(*after))


def _levels(
    down: Sequence[nn.Module],
    up: Sequence[Sequence[nn.Module]],
    sizes: Sequence[int],
    after: Hidden,
    swapped: bool,
    bias: bool,
) -> list[Level]:
    """Return the convolutions from the input inwards; the outermost also moves the channels to axis 1 and back."""
    levels = []
    for i, (a, b) in enumerate(zip(down, up, strict=True)):
        axes = a.get_parameter("weight").ndim - 2
        swap = [] if i or not swapped else [Swap()]
        ahead = after.image(sizes[i - 1], axes) if i else []
        levels.append(_level([*swap, a, *after.of_encoder(bias).image(sizes[i], axes)], [*b, *swap], ahead))
    return levels
