"""What was learned, in use: clean and deterministic maps between samples and codes."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from aerun.compose import Composition, option
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.parts import Part, Term
from aerun.preparation.base import Preparation
from aerun.preparation.carry import carried
from aerun.preparation.told import Conditions


class Use(nn.Module):
    """The parts of an autoencoder, and its use pass (encode, decode, forward), which never looks at `training`."""

    leaders: Tensor | None  # (D,) for each element the first one of the same value; None: each is its own

    def __init__(self, composition: Composition, facts: Facts, preparation: Preparation) -> None:
        super().__init__()
        self.facts, self.preparation = facts, preparation
        self.arch, self.bottleneck = composition.arch, composition.bottleneck
        self.arch.shows_fill = preparation.carries
        self.corruption, self.loss = composition.corruption, composition.loss
        self.prior = composition.prior if composition.has_prior else None
        self.offers = composition.offers
        self.terms: dict[str, Term] = dict(composition.terms)
        self.regularizers = nn.ModuleDict({k: t.regularizer for k, t in self.terms.items()})
        self.strength: dict[str, Any] = {k: composition.lambda_ * t.weight for k, t in self.terms.items()}
        self.register_buffer("leaders", _leaders(preparation.owners), persistent=False)
        self._weighing = [k for k, strength in self.strength.items() if strength != 0]
        self._takes = self.loss.takes().union(*(t.regularizer.takes() for t in self.terms.values()))
        self._watched: list[tuple[str, Part]] = [
            *((k, t.regularizer) for k, t in self.terms.items()),
            *((option(p), p) for p in (self.bottleneck, self.loss)),
        ]

    def units(self, stored: Tensor) -> Tensor:
        """Map stored samples (bytes, say) -> (B, *S) in the units the model works in."""
        x: Tensor = self.preparation(self.facts.units(stored))
        return x

    def exact(self, stored: Tensor) -> Tensor:
        """Return the same without any clipping: what a score holds a reconstruction against."""
        return self.preparation.exact(self.facts.units(stored))

    def seen(self, stored: Tensor) -> Tensor | None:
        """Return (B, *S) bool: False for elements of missing cells; None where all were recorded."""
        return self.preparation.seen(self.facts.units(stored))

    def values(self, stored: Tensor) -> Tensor | None:
        """Return (B, *S) bool: False for missing cells and for all marks of them; None where all is recorded."""
        return self.preparation.values(self.facts.units(stored))

    def offered_seen(self, stored: Tensor) -> Tensor | None:
        """Return `seen` as losses get it, where gaps are kept (`dataset.missing=keep`); None elsewhere."""
        return self.seen(stored) if self.preparation.tells_seen else None

    @property
    def told(self) -> Conditions | None:
        """Return what turns conditions into c, which encoder or decoder read; None where they are told nothing beforehand."""
        told = self.preparation.told
        return told if told is not None and told.read else None

    def beside(self, stored: Tensor) -> dict[str, Tensor]:
        """Return what is known of stored samples beside their values, where there is any: valid (B, T), seen (B, *S), c (B, m).

        seen: where gaps are kept, see `offered_seen`.
        """
        known = {"valid": self.facts.valid(stored), "seen": self.offered_seen(stored), "c": self.known(stored)}
        return {k: v for k, v in known.items() if v is not None}

    def known(self, stored: Tensor) -> Tensor | None:
        """Return c (B, m), what is known beforehand of stored samples, if only for terms; None where nothing is told.

        Where the decoder reads the sample past the code (`Arch.skip`) it is what it reads.
        """
        told = self.preparation.told
        if told is None:
            skip = self.arch.skip
            return (self.units(stored)[:, :skip] - self.arch.mean[:skip]) if skip else None
        c: Tensor = told(self.facts.conditions(stored).to(told.rate))
        return c

    def features(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        valid: Tensor | None = None,
        c: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Return the encoder's features h (B, F, *grid) of (B, *S); without c those of samples of which nothing is known.

        mask: what is hidden, and seen: what is not missing, of which the encoder is told what its corruption and data ask for.
        """
        if self.arch.sees_mask:
            if self.arch.shows_fill and mask is not None and self.corruption.shows_mask:
                x = torch.where(mask, self.arch.mean.expand_as(x), x)
            mask = self._lacking(mask, seen)
        if not self.arch.known:
            return self.arch.encode(x, mask, valid)
        return self.arch.encode(x, mask, valid, self._c(x.shape[0], c, x))

    def _lacking(self, mask: Tensor | None, seen: Tensor | None) -> Tensor | None:
        """Return which elements the encoder is to take for absent: hidden ones, missing ones or both; None: none."""
        hidden = mask if self.corruption.shows_mask else None
        if seen is None or not self.preparation.shows_gaps:
            return hidden
        gone = ~self.preparation.known(seen)
        return gone if hidden is None else hidden | gone

    def stood_in(self, x: Tensor, seen: Tensor) -> Tensor:
        """Return x (B, *S) with what stands for elements that are not known: the last value before, or the mean of training."""
        known, mean = self.preparation.known(seen), self.arch.mean
        return carried(x, known, mean) if self.preparation.carries else torch.where(known, x, mean.expand_as(x))

    def encode(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        valid: Tensor | None = None,
        c: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Map (B, *S) -> deterministic code z (B, d, *grid)."""
        return self.bottleneck.code(self.features(x, mask, valid, c, seen))

    def first(self, x: Tensor, size: int | None, **beside: Tensor) -> Tensor:
        """Return codes of which the first `size` pieces alone count; None: all. beside: valid and c, where there are any."""
        if size is None:
            return self.encode(x, **beside)
        return self.first_of(self.features(x, **beside), size)

    def decode(
        self,
        z: Tensor,
        valid: Tensor | None = None,
        c: Tensor | None = None,
        seen: Tensor | None = None,
        like: Tensor | None = None,
    ) -> Tensor:
        """Map code (B, d, *grid) -> reconstruction (B, *S); like (B, *S): of these samples, see `Loss.activate_like`.

        seen: of the samples, of which a decoder reads nothing.
        """
        raw = self.raw(z, valid, c)
        return self.loss.activate(raw) if like is None else self.loss.activate_like(raw, like)

    def target(self, x: Tensor) -> Tensor:
        """Return what reconstructions of prepared samples x (B, *S) are judged against."""
        return self.preparation.target(x)

    def guided(self, z: Tensor, guidance: float, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Map code -> reconstruction of raw_null + guidance * (raw_c - raw_null); raw_null: where nothing is known."""
        return self.loss.activate(self._guided_raw(z, guidance, valid, c))

    def sampled(self, z: Tensor, guidance: float = 1.0, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Map code -> a draw of what a sample of it is, (B, *S); the reconstruction where the loss draws nothing."""
        return self.loss.sample(self._guided_raw(z, guidance, valid, c))

    def _guided_raw(self, z: Tensor, guidance: float, valid: Tensor | None, c: Tensor | None) -> Tensor:
        if guidance == 1:
            return self.raw(z, valid, c)
        null = self.raw(z, valid)
        raw = null + guidance * (self.raw(z, valid, c) - null)
        if not raw.isfinite().all():
            raise AerunError(f"guidance={guidance:g}: the output is beyond what its numbers can hold. Use less, such as 2.")
        return raw

    def raw(self, z: Tensor, valid: Tensor | None = None, c: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        """Map code (B, d, *grid) -> the decoder's output (B, *S) before the loss's activation. seen: as in `decode`."""
        return self.arch.decode(self._read(z, c), valid)

    def _c(self, n: int, c: Tensor | None, like: Tensor) -> Tensor:
        """Return c (n, m), of samples of which nothing is known where it is None."""
        if self.told is None:
            return like.new_zeros(n, self.arch.skip) if c is None else c
        return self.told.null(n, like) if c is None else c

    def _read(self, z: Tensor, c: Tensor | None) -> Tensor:
        """Return what the decoder reads: c at every place, and behind it the code; (B, m + d, *grid).

        Where it is told which units are cut (NaN), another d say of each whether it is there: (B, m + 2 d, *grid).
        """
        z = self.bottleneck.read(z)
        if self.tells_cuts:
            cut = z.isnan()
            z = torch.cat([z.masked_fill(cut, 0), (~cut).to(z.dtype)], 1)
        if self.told is None and not self.arch.skip:
            return z
        c = self._c(z.shape[0], c, z).to(z)
        if z.ndim > 2:
            c = c.reshape(*c.shape, *[1] * (z.ndim - 2)).expand(-1, -1, *z.shape[2:])
        return torch.cat([c, z], 1)

    def first_of(self, h: Tensor, size: int) -> Tensor:
        """Return the codes (B, d, *grid) of features h (B, F, *grid) without all pieces after the first `size`."""
        z = self.bottleneck.first(h, size)
        return torch.cat([z[:, :size], torch.full_like(z[:, size:], self.cut)], 1) if self.tells_cuts else z

    @property
    def tells_cuts(self) -> bool:
        """Return whether the decoder is told which units of a code are cut."""
        return any(t.regularizer.tells_cuts for t in self.terms.values())

    @property
    def cut(self) -> float:
        """Return what stands for a unit that is cut: NaN where the decoder is told of it, else 0."""
        return math.nan if self.tells_cuts else 0.0

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        valid: Tensor | None = None,
        c: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Return the clean, deterministic reconstruction of (B, *S)."""
        return self.decode(self.encode(x, mask, valid, c, seen), valid, c, like=x)

    def decoder_weights(self) -> list[Tensor]:
        """Return the decoder's weights in order; of the first those on the code alone, not on what else it is told."""
        weights = self.arch.decoder_weights()
        m, d = self.arch.skip if self.told is None else self.told.size, self.bottleneck.latent_dim
        read = m + d * (1 + self.tells_cuts)
        return [w[:, m : m + d] if read > d and i == 0 and w.shape[1] == read else w for i, w in enumerate(weights)]

    def chosen_parts(self) -> dict[str, Part]:
        """Return the parts by the name of their group; the prior only where it is not the usual one."""
        parts = {"arch": self.arch, "bottleneck": self.bottleneck, "corruption": self.corruption, "loss": self.loss}
        return parts | ({"prior": self.prior} if self.prior is not None and not self.prior.usual else {})

    def assign(self, z: Tensor) -> Tensor | None:
        """Return the number of the cluster of each code (n, d), of the prior or a regularizer; None where neither has any."""
        parts = [*([] if self.prior is None else [self.prior]), *(self.terms[k].regularizer for k in self._weighing)]
        return next((found for part in parts if (found := part.assign(z)) is not None), None)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the sizes of prefixes that it was trained to read as codes, its own last; empty where codes are not cut.

        They are numbers of units, or of what else the bottleneck calls a `piece`.
        """
        return tuple(sorted({k for key in self._weighing for k in self.terms[key].regularizer.cuts}))

    @property
    def code_elements(self) -> int:
        """Return numbers in one code: d times the places of its grid."""
        return int(self.bottleneck.latent_dim * torch.Size(self.arch.grid).numel())

    @property
    def free_numbers(self) -> int:
        """Return how many numbers of a code do not follow from the others: what PCA beside it has as components."""
        return self.code_elements - self.bottleneck.dependent


def _leaders(owners: Tensor | None) -> Tensor | None:
    """Return for each element the first one of the same owner."""
    if owners is None:
        return None
    return (owners[:, None] == owners).to(torch.uint8).argmax(1)
