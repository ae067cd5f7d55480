"""Nested codes: every prefix of a code is a code, so that one run serves many code sizes."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.vocabulary import Function, wide

_DECAY = 0.99  # of the running means of errors, per training batch


class Nested(Regularizer):
    """Omega_i = mean_k w_k l_i(k) - l_i(d), l_i(k) the reconstruction loss of sample i from z_i with units after k set to 0.

    z (B, d, *grid) -> (B,). k runs over `sizes` and d itself. Of a code of stages (vq), whose prefixes are codes of their own,
    k counts stages, and l_i(k) is the loss of the first k of them. With reg.lambda = weight = 1 the objective is mean_k w_k
    l(k), with 0 the plain model. The linear autoencoder of least loss then has the principal components as its units, in order.

    sizes:   numbers of units, or shares of d below 1; null: powers of 2. Of stages likewise, and null is each of them.
    combine: mean; sum, Omega_i = sum_k w_k l_i(k) over the sizes below d, beside the reconstruction itself.
    balance: w_k = r_d / r_k with r_k the running mean of l(k): what counts is the relative error of each size. Otherwise 1.
    tell:    the decoder also reads which units are cut: d further inputs, all 1 for a whole code.
    draw:    all, each size in every step, a decoder pass each; sample, one size for each sample, drawn uniformly, one pass. In
             validation all count.

    `kept`: the share of passes that a unit is part of, with which a KL divergence prices it (1 where combine is sum).
    Rippel, Gelbart & Adams 2014, https://arxiv.org/abs/1402.0915; sum: Bussmann et al. 2025, https://arxiv.org/abs/2503.17547.
    Raises AerunError for sizes that are none, or beyond the code.
    """

    offers = frozenset({"kept"})

    means: Tensor

    cuts: tuple[int, ...] = (1,)  # in their place those of its sizes, once they are known

    def __init__(
        self,
        *,
        latent_dim: int,
        pieces: int,
        piece: str,
        sizes: Sequence[float] | None,
        combine: str,
        balance: bool,
        draw: str,
        tell: bool,
    ) -> None:
        super().__init__()
        if tell and piece != "unit":
            raise AerunError(f"reg.terms.nested.tell=true: tells which units are cut, and this code is cut by {piece}s.")
        self.tells_cuts = tell
        every = tuple(range(1, pieces + 1)) if sizes is None and piece != "unit" else sizes
        self.cuts = _counts(every, pieces, f"model.latent_dim={latent_dim}" if piece == "unit" else f"{pieces} {piece}s")
        self.combine = one_of("reg.terms.nested.combine", combine, ("mean", "sum"))
        self.draw = one_of("reg.terms.nested.draw", draw, ("all", "sample"))
        if self.combine == "sum" and self.draw == "sample":
            raise AerunError("reg.terms.nested.draw=sample: draws from a mean over sizes. Use combine=mean, or draw=all.")
        self.balance = self.follows_batches = balance
        self.register_buffer("means", torch.zeros(len(self.cuts)))  # 0: no batch yet

    def fill(self, z: Tensor, prefixes: Tensor | None = None) -> dict[str, Tensor]:
        """Return `kept`, as z where each sample draws its own size, else (1, d, *1); of stages their share in all units."""
        each = self._masks(z) if prefixes is None else self._shares(z)  # (sizes, d, *1)
        if self._draws:
            drawn = torch.randint(len(self.cuts), (len(z),), device=z.device)
            return {"kept": each[drawn]}
        return {"kept": each.mean(0, keepdim=True) if self.combine == "mean" else torch.ones_like(each[:1])}

    def forward(
        self,
        z: Tensor,
        reconstruction: Tensor,
        judge: Function,
        kept: Tensor | None = None,
        prefixes: Tensor | None = None,
    ) -> Tensor:
        own = wide(reconstruction)
        if self._draws and kept is not None:
            return self._drawn(z, own, judge, kept, prefixes)
        below = [k - 1 for k in self.cuts[:-1]]
        if prefixes is None:
            cut = self._cut(z.expand(len(below), *z.shape), self._masks(z)[:-1, None]).flatten(0, 1)
        else:
            cut = prefixes[below].flatten(0, 1)
        losses = torch.cat([wide(judge(cut)), own[None]]) if below else own[None]  # (sizes, B)
        weights = self._weights(losses.detach().mean(1), losses.new_ones(len(self.cuts)))
        if self.combine == "sum":
            return weights[:-1] @ losses[:-1]
        return weights @ losses / len(self.cuts) - own

    @property
    def _draws(self) -> bool:
        """Return whether each sample gets one size: in steps of training."""
        return self.draw == "sample" and self.training and torch.is_grad_enabled()

    def _drawn(self, z: Tensor, own: Tensor, judge: Function, kept: Tensor, prefixes: Tensor | None) -> Tensor:
        if prefixes is None:
            sizes, cut = kept.flatten(1).sum(1), self._cut(z, kept)
        else:
            sizes = (kept.flatten(1)[:, 0] * self.cuts[-1]).round()
            cut = prefixes[sizes.long() - 1, torch.arange(len(z), device=z.device)]
        losses = wide(judge(cut))[0]
        chosen = (sizes[:, None] == sizes.new_tensor(self.cuts)).to(losses.dtype)  # (B, sizes)
        counts = chosen.sum(0)
        weights = self._weights(losses.detach() @ chosen / counts.clamp_min(1), counts)
        return (chosen @ weights) * losses - own

    def _cut(self, z: Tensor, kept: Tensor) -> Tensor:
        """Return codes without the units that are not kept, as the decoder is handed them."""
        return z.masked_fill(kept == 0, math.nan) if self.tells_cuts else z * kept

    def _masks(self, z: Tensor) -> Tensor:
        """Return (sizes, d, *1): 1 for units that a size keeps."""
        units = torch.arange(z.shape[1], device=z.device)
        masks = units < torch.tensor(self.cuts, device=z.device)[:, None]
        return masks.to(z.dtype).reshape(len(self.cuts), -1, *[1] * (z.ndim - 2))

    def _shares(self, z: Tensor) -> Tensor:
        """Return (sizes, d, *1): the share of all stages that a size has, for every unit."""
        shares = torch.tensor(self.cuts, dtype=z.dtype, device=z.device) / self.cuts[-1]
        return shares[:, None].expand(-1, z.shape[1]).reshape(len(self.cuts), -1, *[1] * (z.ndim - 2))

    def _weights(self, losses: Tensor, counts: Tensor) -> Tensor:
        """Return w (sizes,) for a batch whose losses have these means, over so many samples each."""
        if not self.balance:
            return torch.ones_like(losses)
        old = self.means.to(losses)
        new = torch.where(old > 0, old.lerp(losses, 1 - _DECAY), losses)
        new = torch.where(counts > 0, new, old)
        if self.training and torch.is_grad_enabled():
            self.means.copy_(new)
        known = new > 0
        return torch.where(known & known[-1], new[-1] / torch.where(known, new, 1), 1)


def _counts(sizes: Sequence[float] | None, latent_dim: int, what: str) -> tuple[int, ...]:
    """Return the sizes as numbers of units, in order, the code's own last."""
    if sizes is None:
        return (*(2**i for i in range(latent_dim.bit_length()) if 2**i < latent_dim), latent_dim)
    counts = set()
    for size in sizes:
        count = size if isinstance(size, int) else round(size * latent_dim) if 0 < size < 1 else size
        if isinstance(size, bool) or count != int(count) or not 1 <= count <= latent_dim:
            raise AerunError(
                f"reg.terms.nested.sizes={list(sizes)}: {size} is no size of a code of {what}. Use "
                "whole numbers from 1 to that, or shares of it between 0 and 1."
            )
        counts.add(int(count))
    return (*sorted(counts - {latent_dim}), latent_dim)
