"""Fully connected encoder and decoder, which linear and mlp share."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.model.arch.layers import ATOMS, Hidden, TiedLinear, constrain, refuse_known, refuse_ragged, refuse_tied
from aerun.parts import Arch, Level


class Dense(Arch):
    """D - hidden... - F | d - ...hidden - D. Decoder widths are the encoder's, reversed.

    atoms: the columns of the decoder's first matrix are free, of norm 1, or orthonormal. Where the encoder sees a mask it
    reads 2 D numbers, and behind them what is known beforehand. source: where samples are pairs, the encoder reads so many of
    their first elements and the decoder writes the others; what raw holds in the place of the first counts for nothing. Raises
    AerunError for samples of varying length.
    """

    offers = frozenset({"encode"})
    source: int = 0

    def _build(self, interface: dict[str, Any], hidden: Sequence[int], after: Hidden, *, tied: bool, atoms: str) -> None:
        """Build encoder, decoder and levels.

        interface: shape, ragged, sees_mask, known, given, heads, source, features, latent_dim, bias.
        """
        self.shape, self.sees_mask, self.known = tuple(interface["shape"]), bool(interface["sees_mask"]), interface["known"]
        refuse_ragged(interface["ragged"], type(self).__name__.lower())
        one_of("model.arch.atoms", atoms, ATOMS)
        size, heads = int(torch.Size(self.shape).numel()), interface["heads"]
        self.source = interface["source"]
        if self.source:
            _refuse_pairs(tied, heads)
        size, out = (self.source, size - self.source) if self.source else (size, size)
        shape = (out,) if self.source else self.shape
        written = shape if heads == 1 else (heads, *shape)
        self.register_buffer("mean", torch.zeros(self.shape))
        self.shares_weights = tied
        if tied:
            refuse_known(interface["given"], "model.arch.tied=true")
            refuse_tied(interface["features"], interface["latent_dim"], self.sees_mask)
            if heads > 1:
                raise AerunError(
                    f"model.arch.tied=true: the loss needs {heads} values for each element. Use model.arch.tied=false."
                )
        if atoms != "free":
            refuse_known(interface["given"], f"model.arch.atoms={atoms}")
        read = size * (1 + self.sees_mask) + self.known
        bias = interface["bias"]
        down = [nn.Linear(a, b, bias=bias) for a, b in pairwise([read, *hidden, interface["features"]])]
        up: list[Any] = [nn.Linear(a, b) for a, b in pairwise([interface["latent_dim"], *reversed(hidden), out * heads])]
        if tied:
            up = [TiedLinear(layer) for layer in reversed(down)]
        constrain(down[-1] if tied else up[0], atoms, tied)
        behind = [nn.Sequential(*after.of_encoder(bias).dense(n)) for n in hidden]
        ahead = [nn.Sequential(*after.dense(n)) for n in hidden]
        self.encoder = nn.Sequential(nn.Flatten(), *_interleave(down, behind))
        self.decoder = nn.Sequential(*_interleave(up, ahead[::-1]), nn.Unflatten(1, written))
        self.offers = after.offers() if hidden else Dense.offers
        self.levels = () if self.source else _levels(down, up[::-1], behind, ahead, after, written)

    def centred(self, x: Tensor, mask: Tensor | None, c: Tensor | None = None) -> Tensor:
        read = super().centred(x, mask)
        read = read[:, : self.source] if self.source else read
        return read if c is None or not self.known else torch.cat([read.flatten(1), c.to(x.dtype)], 1)

    def decode(self, z: Tensor, valid: Tensor | None = None) -> Tensor:
        return self._placed(super().decode(z, valid))

    def _placed(self, raw: Tensor) -> Tensor:
        """Return what the decoder writes, of pairs behind what stands for the elements that are read."""
        return torch.cat([self.mean[: self.source].to(raw).expand(raw.shape[0], -1), raw], 1) if self.source else raw

    @torch.no_grad()
    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        self.mean.copy_(mean)
        self.decoder[-2].get_parameter("bias").copy_(raw_mean.flatten()[self.source :])


def _refuse_pairs(tied: bool, heads: int) -> None:
    """Raise AerunError for settings that mean nothing where the decoder writes other elements than the encoder reads."""
    if tied:
        words = "encoder and decoder work on different arrays, and so share no weights. Use model.arch.tied=false."
        raise AerunError(f"model.arch.tied=true with dataset.target: {words}")
    if heads > 1:
        raise AerunError(
            f"dataset.target: the loss needs {heads} values for each element, and one is there. Use model/loss=mse."
        )


def _interleave(layers: Sequence[nn.Module], after: Sequence[nn.Sequential]) -> list[nn.Module]:
    """Return affine maps with norm, activation and dropout between them, and none after the last."""
    ordered: list[nn.Module] = []
    for layer, modules in zip(layers, after, strict=False):
        ordered += [layer, *modules]
    return [*ordered, layers[-1]]


def _levels(
    down: Sequence[nn.Module],
    up: Sequence[nn.Module],
    behind: Sequence[nn.Sequential],
    ahead: Sequence[nn.Sequential],
    after: Hidden,
    shape: tuple[int, ...],
) -> tuple[Level, ...]:
    """Return the levels from the input inwards; the outermost also flattens and restores the shape of a sample."""
    levels = []
    for i, (a, b) in enumerate(zip(down, up, strict=True)):
        inwards = [a, *behind[i].children()] if i < len(behind) else [a]
        levels.append(
            Level(
                down=nn.Sequential(*([] if i else [nn.Flatten()]), *inwards),
                up=nn.Sequential(b, *([] if i else [nn.Unflatten(1, shape)])),
                after=ahead[i - 1] if i else nn.Identity(),
                logits=after.logits(ahead[i - 1]) if i else None,
            )
        )
    return tuple(levels)
