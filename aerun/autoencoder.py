"""The picture, as one module: a pass through the parts, the objective, and the clean use of what was learned.

Two passes, chosen by the method that is called and never by `training`: the *objective* pass corrupts and samples; the *use*
pass (encode, decode, forward) is clean and deterministic.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.utils.parametrize import cached

from aerun.compose import Composition, option
from aerun.core.errors import AerunError
from aerun.core.facts import Facts, valid_weight
from aerun.dataset.storage.mapped import sample_rows
from aerun.parts import Discrete, Opposed, Part, Term
from aerun.preparation.base import Preparation
from aerun.preparation.told import Conditions
from aerun.vocabulary import Pass, call

_ELEMENTS = 1_000_000  # of samples that are widened at a time
_CODES = 20_000  # that a prior is started from


@dataclass(frozen=True)
class Value:
    """The objective of one batch.

    The scalar to descend (less the terms that are descended apart), its parts in the order of `Autoencoder.keys` (first the
    whole), and the pass that they were taken from.
    """

    loss: Tensor
    parts: list[Tensor]
    names: Pass


class Autoencoder(nn.Module):
    """L = mean_i reconstruction_i + reg.lambda * sum_k weight_k * Omega_k, on stored samples in the units of `facts`."""

    leaders: Tensor | None  # (D,) for each element the first one of the same value; None: each is its own

    def __init__(self, composition: Composition, facts: Facts, preparation: Preparation) -> None:
        super().__init__()
        self.facts, self.preparation = facts, preparation
        self.arch, self.bottleneck = composition.arch, composition.bottleneck
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

    # -- the use pass ------------------------------------------------------------------------------------------------

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
        return self.seen(stored) if self.preparation.keeps_gaps else None

    @property
    def told(self) -> Conditions | None:
        """Return what turns conditions into c, which encoder or decoder read; None where they are told nothing beforehand."""
        told = self.preparation.told
        return told if told is not None and told.read else None

    def beside(self, stored: Tensor) -> dict[str, Tensor]:
        """Return what is known of stored samples beside their values: valid (B, T) and c (B, m), where there are any."""
        known = {"valid": self.facts.valid(stored), "c": self.known(stored)}
        return {k: v for k, v in known.items() if v is not None}

    def known(self, stored: Tensor) -> Tensor | None:
        """Return c (B, m), what is known beforehand of stored samples, if only for terms; None where nothing is told."""
        told = self.preparation.told
        if told is None:
            return None
        c: Tensor = told(self.facts.conditions(stored).to(told.rate))
        return c

    def features(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Return the encoder's features h (B, F, *grid) of (B, *S); without c those of samples of which nothing is known."""
        if not self.arch.known:
            return self.arch.encode(x, mask, valid)
        return self.arch.encode(x, mask, valid, self._c(x.shape[0], c, x))

    def encode(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Map (B, *S) -> deterministic code z (B, d, *grid)."""
        return self.bottleneck.code(self.features(x, mask, valid, c))

    def first(self, x: Tensor, size: int | None, **beside: Tensor) -> Tensor:
        """Return codes of which the first `size` pieces alone count; None: all. beside: valid and c, where there are any."""
        if size is None:
            return self.encode(x, **beside)
        return self.first_of(self.features(x, **beside), size)

    def decode(self, z: Tensor, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Map code (B, d, *grid) -> reconstruction (B, *S)."""
        return self.loss.activate(self.raw(z, valid, c))

    def guided(self, z: Tensor, guidance: float, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Map code -> reconstruction of raw_null + guidance * (raw_c - raw_null); raw_null: where nothing is known."""
        if guidance == 1:
            return self.decode(z, valid, c)
        null = self.raw(z, valid)
        return self.loss.activate(null + guidance * (self.raw(z, valid, c) - null))

    def raw(self, z: Tensor, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Map code (B, d, *grid) -> the decoder's output (B, *S) before the loss's activation."""
        return self.arch.decode(self._read(z, c), valid)

    def _c(self, n: int, c: Tensor | None, like: Tensor) -> Tensor:
        """Return c (n, m), of samples of which nothing is known where it is None."""
        assert self.told is not None
        return self.told.null(n, like) if c is None else c

    def _read(self, z: Tensor, c: Tensor | None) -> Tensor:
        """Return what the decoder reads: c at every place, and behind it the code; (B, m + d, *grid).

        Where it is told which units are cut (NaN), another d say of each whether it is there: (B, m + 2 d, *grid).
        """
        if self.tells_cuts:
            cut = z.isnan()
            z = torch.cat([z.masked_fill(cut, 0), (~cut).to(z.dtype)], 1)
        if self.told is None:
            return z
        c = self._c(z.shape[0], c, z).to(z)
        return torch.cat([c.reshape(*c.shape, *[1] * (z.ndim - 2)).expand(-1, -1, *z.shape[2:]), z], 1)

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

    def forward(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Return the clean, deterministic reconstruction of (B, *S)."""
        return self.decode(self.encode(x, mask, valid, c), valid, c)

    def decoder_weights(self) -> list[Tensor]:
        """Return the decoder's weights in order; of the first those on the code alone, not on what else it is told."""
        weights = self.arch.decoder_weights()
        m, d = 0 if self.told is None else self.told.size, self.bottleneck.latent_dim
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
        return self.code_elements - (1 if self.bottleneck.curved else 0)

    # -- the objective pass ------------------------------------------------------------------------------------------

    def corrupted(self, x: Tensor) -> Pass:
        """Return what the corruption makes of x (B, *S).

        What it hides are whole values: all elements of a category or of a symbol of text, and a cell's mark, follow the first
        of them, so that no element gives away what the others were.
        """
        names: Pass = self.corruption(x)
        if not self.corruption.hides or (self.leaders is None and not self.facts.tokens):
            return names
        hidden = names["mask"]
        mask = hidden[..., :1].expand_as(hidden) if self.leaders is None else hidden[:, self.leaders]
        return {**names, "x_in": x.masked_fill(mask, self.corruption.fill), "mask": mask}

    def code_pass(self, x: Tensor, valid: Tensor | None = None, progress: float = 1.0, c: Tensor | None = None) -> Pass:
        """Return the pass as far as the code: corrupted input, sampled code."""
        names: Pass = {"x": x, **self.corrupted(x), "progress": progress}
        names |= {k: v for k, v in (("valid", valid), ("c", c)) if v is not None}
        if torch.is_grad_enabled() and any(t.regularizer.differentiates_input for t in self.terms.values()):
            names["x_in"] = names["x_in"].detach().requires_grad_()
        names["h"] = self.features(names["x_in"], names.get("mask"), valid, c)
        self._add_code(names)
        for key in self._weighing:
            names |= call(self.terms[key].regularizer.fill, names)
        return names

    def objective_pass(
        self,
        x: Tensor,
        valid: Tensor | None = None,
        progress: float | None = None,
        seen: Tensor | None = None,
        c: Tensor | None = None,
    ) -> Pass:
        """Fill the vocabulary for one batch (B, *S); `progress` of training, None in validation."""
        names = self.code_pass(x, valid, 1.0 if progress is None else progress, c)
        if seen is not None:
            names["seen"] = seen
        if progress is None:
            names["raw"] = self.raw(names["z"], valid, c)
        else:
            names["raw"] = self.arch.decode_taught(self._read(names["z"], c), x, valid, progress)
        if "x_hat" in self._takes:
            names["x_hat"] = self.loss.activate(names["raw"])
        names["reconstruction"] = call(self.loss, names)
        self._add_functions(names)
        if "encoder_weights" in self._takes:
            names["encoder_weights"] = self.arch.encoder_weights()
        if "decoder_weights" in self._takes:
            names["decoder_weights"] = self.decoder_weights()
        return names

    def clean_pass(self, x: Tensor, valid: Tensor | None = None, c: Tensor | None = None) -> Pass:
        """Return the pass of clean samples (B, *S) as far as the code, which is sampled where codes are random."""
        names = self._clean(x, valid, c)
        self._add_code(names)
        return names

    def _clean(self, x: Tensor, valid: Tensor | None = None, c: Tensor | None = None) -> Pass:
        """Return the pass of clean samples as far as the encoder."""
        names: Pass = {"x": x, "x_in": x, "h": self.features(x, None, valid, c), "progress": 1.0}
        return names | {k: v for k, v in (("valid", valid), ("c", c)) if v is not None}

    def _add_code(self, names: Pass) -> None:
        """Fill what the bottleneck and the prior make of the encoder's features."""
        names |= call(self.bottleneck, names)
        if "posterior" in names:
            names["posterior_of"] = self.posterior_of
        if self.prior is not None:
            names["prior"] = call(self.prior, names)

    def posterior_of(self, x: Tensor) -> Distribution:
        """Return q(z|x) of clean samples (B, *S). KeyError where codes are not random."""
        posterior: Distribution = call(self.bottleneck, self._clean(x))["posterior"]
        return posterior

    @property
    def has_prior(self) -> bool:
        """Return whether codes can be drawn without looking at those of samples."""
        return "prior" in self.offers or isinstance(self.bottleneck, Discrete)

    @property
    def has_bound(self) -> bool:
        """Return whether there is an evidence lower bound: codes have a posterior, at a finite distance from the prior."""
        return {"posterior", "prior"} <= self.offers and not (self.prior is not None and self.prior.bounded)

    def prior_codes(self, like: Tensor, times: int = 1, c: Tensor | None = None) -> Tensor:
        """Return `times` as many codes as `like` (n, d, *grid) holds, drawn from the prior: (times * n, d, *grid), as `like`.

        c (n, m): what is known of the samples that they are of. Of a discrete code all are equally likely. Raises AerunError
        where there is no prior.
        """
        if "prior" in self.offers:
            prior = self.prior_of(like, c)
            return torch.cat([prior.sample() for _ in range(times)]).to(like)
        if isinstance(self.bottleneck, Discrete):
            return self.bottleneck.draw_uniformly(like, times)
        raise AerunError(f"model/bottleneck={option(self.bottleneck)}: its codes have no prior to draw from.")

    def prior_of(self, like: Tensor, c: Tensor | None = None) -> Distribution:
        """Return p(z) for as many codes as `like` (n, d, *grid) holds, of samples of which c is known.

        KeyError where there is no prior.
        """
        names: Pass = {"h": like.new_zeros(len(like), self.bottleneck.features, *like.shape[2:]), "progress": 1.0}
        if self.told is not None:
            names["c"] = self._c(len(like), c, like).to(like)
        self._add_code(names)
        prior: Distribution = names["prior"]
        return prior

    def _add_functions(self, names: Pass) -> None:
        mask, valid, c = (names.get(k) for k in ("mask", "valid", "c"))
        names["encode"] = partial(self.encode, mask=mask, valid=valid, c=c)
        names["decode"] = partial(self.decode, valid=valid, c=c)
        names["judge"] = partial(self._judge, names)

    def _judge(self, names: Pass, z: Tensor) -> Tensor:
        """Return losses (K, B) of K codes for each sample, z (K * B, d)."""
        k = len(z) // len(names["x"])
        repeated = {n: v.repeat(k, *[1] * (v.ndim - 1)) for n, v in names.items() if n in ("x", "mask", "valid", "c")}
        repeated["raw"] = self.raw(z, repeated.get("valid"), repeated.get("c"))
        losses: Tensor = call(call(self.loss.of_pass, names), repeated)
        return losses.reshape(k, -1)

    def keys(self, training: bool) -> list[str]:
        """Return names of a Value's parts: the loss, the reconstruction, and each computed term, raw and weighted."""
        own = ["penalty"] if "penalty" in self.bottleneck.offers else []
        return ["loss", "reconstruction", *own, *(f"{kind}/{k}" for k in self._computed(training) for kind in ("reg", "reg_w"))]

    def _computed(self, training: bool) -> list[str]:
        """Return the terms that count: in training those that weigh something, in validation all of them.

        A term that weighs nothing is left out of training, so that it cannot disturb it, and is still reported in validation.
        """
        return self._weighing if training else list(self.terms)

    def objective(
        self,
        x: Tensor,
        progress: float | None,
        valid: Tensor | None = None,
        seen: Tensor | None = None,
        weight: Tensor | None = None,
        c: Tensor | None = None,
    ) -> Value:
        """Return objective of one batch at `progress` in [0, 1] of training; None: in validation, at full weights.

        c (B, m): what is known of the samples beforehand, of which training leaves out a share (`dataset.condition_drop`).
        weight (B,): how much each sample counts, 1 on average over all batches; None: all alike. What is one value for the
        whole batch, such as a penalty on weights, stays as it is.
        """
        if progress is not None and self.facts.binarize:
            x = torch.bernoulli(x)
        if progress is not None and c is not None and self.preparation.told is not None:
            c = self.preparation.told.dropped(c)
        with cached():  # a constrained matrix is computed once a pass, so that whoever reads it reads the same tensor
            return self._objective(self.objective_pass(x, valid, progress, seen, c), progress, weight)

    def _objective(self, names: Pass, progress: float | None, weight: Tensor | None) -> Value:
        loss = reconstruction = _mean(names["reconstruction"], weight)
        parts, apart = [], loss.new_zeros(())
        if "penalty" in names:
            penalty = _mean(names["penalty"], weight)
            loss = loss + penalty
            parts.append(penalty.detach())
        for key in self._computed(progress is not None):
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_apart(key)):
                raw = _mean(call(self.terms[key].regularizer, names), weight)
            weighted = self.weight(key, progress) * raw
            if self.is_apart(key):
                apart = apart + weighted
            else:
                loss = loss + weighted
            parts += [raw.detach(), weighted.detach()]
        whole = loss.detach() + apart
        return Value(loss, [whole, reconstruction.detach(), *parts], names)

    def weight(self, key: str, progress: float | None) -> float:
        """Return reg.lambda times the term's weight times its ramp."""
        weight: float = self.strength[key] * (1.0 if progress is None else self.terms[key].ramp(progress))
        return weight

    @property
    def follows_prior(self) -> bool:
        """Return whether its codes are trained to follow a prior."""
        asked = any("prior" in t.regularizer.takes() and self.strength[k] > 0 for k, t in self.terms.items())
        return asked and "prior" in self.offers

    def effective_lambda(self, key: str, progress: float | None) -> float:
        """Return the weight in units of summed error per sample, whatever `loss.reduction` is."""
        return self.weight(key, progress) * self.loss.per_lambda(self.facts.size)

    # -- what is trained by turns, and what is watched ---------------------------------------------------------------

    def is_apart(self, key: str) -> bool:
        """Return whether this term is descended in a phase of its own."""
        regularizer = self.terms[key].regularizer
        return isinstance(regularizer, Opposed) and regularizer.apart

    def opposed(self) -> dict[str, Opposed]:
        """Return the terms that have an opponent and weigh something."""
        regularizers = {k: self.terms[k].regularizer for k in self._computed(training=True)}
        return {k: r for k, r in regularizers.items() if isinstance(r, Opposed)}

    @property
    def steady(self) -> bool:
        """Return whether an objective that no longer falls has come to rest.

        Beside an opponent it rises and falls as the two take turns, and where weights rise in cycles it does so with them.
        """
        cyclic = any(self.terms[k].warmup > 0 and self.terms[k].cycles > 1 for k in self._weighing)
        return not cyclic and not self.opposed()

    def own_parameters(self) -> Iterator[nn.Parameter]:
        """Yield every parameter but the opponents'."""
        others = {id(p) for t in self.terms.values() if isinstance(t.regularizer, Opposed) for p in t.regularizer.parameters()}
        return (p for p in self.parameters() if id(p) not in others)

    def busy_modules(self) -> list[nn.Module]:
        """Return the modules that training computes: all but those of terms that weigh nothing."""
        idle = {id(m) for k, t in self.terms.items() if k not in self._weighing for m in t.regularizer.modules()}
        return [m for m in self.modules() if id(m) not in idle]

    def watch_keys(self) -> list[str]:
        """Return names of what `watch` returns."""
        return [f"{name}/{figure}" for name, part in self._watched for figure in part.watches]

    @torch.no_grad()
    def watch(self, names: Pass) -> list[Tensor]:
        """Return figures of the parts beside the objective, of one validation batch, in the order of `watch_keys`."""
        values: list[Tensor] = []
        for _, part in self._watched:
            if part.watches:
                figures = call(part.watch, names)
                values += [torch.as_tensor(figures[k]) for k in part.watches]
        return values

    # -- before the first step ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def start_from(self, stored: Tensor) -> None:
        """Learn from the stored training samples what the parts begin with, the prior last: it may read codes."""
        self.start_parts(stored)
        self.bottleneck.prepare(len(stored), partial(self._some_features, stored))
        if self.prior is not None:
            self.prior.prepare(len(stored), partial(self._samples, stored), partial(self._codes, stored))
        for term in self.terms.values():
            if term.regularizer.reads_codes:
                term.regularizer.start_from(self._codes(stored))

    def start_parts(self, stored: Tensor) -> None:
        """Centre the encoder on the mean of the stored training samples and start the output there."""
        if self.facts.prepared_from is not None:
            self.preparation.fit(self.facts.units(sample_rows(stored)))
        if self.preparation.told is not None:
            self.preparation.told.fit(self.facts.conditions(stored))
        total = count = torch.zeros(self.facts.shape, dtype=torch.float64)
        for part in stored.split(self._rows):
            x = self.units(part).double()
            total = total + x.sum(0)
            count = count + (torch.full_like(x, 1) * valid_weight(self.facts.valid(part), x)).sum(0)
        mean = (total / count.clamp_min(1)).to(next(self.arch.parameters()))
        self.arch.start_from(mean, self.loss.deactivate(mean))
        self.arch.prepare(partial(self._samples, stored))
        c = self.known(stored)
        for term in self.terms.values():
            term.regularizer.setup(len(stored))
            if c is not None:
                term.regularizer.setup_known(c)

    @property
    def _rows(self) -> int:
        """Return how many samples are widened at a time."""
        return max(1, min(8192, _ELEMENTS // self.facts.size))

    def _samples(self, stored: Tensor) -> Iterator[Tensor]:
        """Yield stored samples in the units and the type that the model works in."""
        like = next(self.arch.parameters())
        return (self.units(part).to(like) for part in stored.split(self._rows))

    def _some_features(self, stored: Tensor, n: int) -> Tensor:
        """Return what the encoder makes of n random samples (at most 20,000), (n, F, *grid)."""
        stored, like = _drawn(stored, min(n, _CODES)), next(self.arch.parameters())
        return torch.cat([self.features(self.units(p).to(like), **self.beside(p)) for p in stored.split(self._rows)])

    def _codes(self, stored: Tensor) -> Tensor:
        """Return a draw of the code of each of at most 20,000 random samples, (n, d, *grid)."""
        stored, like = _drawn(stored, _CODES), next(self.arch.parameters())
        return torch.cat([self.clean_pass(self.units(p).to(like), **self.beside(p))["z"] for p in stored.split(self._rows)])

    def dry_run(self) -> None:
        """Try one objective pass on two blank samples.

        What does not fit together is refused before any data is read.
        """
        was, like = self.training, next(self.arch.parameters())
        self.eval()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            x = torch.full((2, *self.facts.shape), 0.5, dtype=like.dtype, device=like.device)
            valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if self.facts.ragged else None
            told = self.preparation.told
            known = {} if told is None else {"c": x.new_zeros(2, told.size)}
            self.watch(self.objective(x, None, valid, **known).names)
        self.train(was)


def _drawn(stored: Tensor, n: int) -> Tensor:
    """Return n random samples of the stored ones in their order, always the same."""
    order = torch.randperm(len(stored), generator=torch.Generator().manual_seed(0))[:n].sort().values
    return stored.index_select(0, order.to(stored.device))


def _leaders(owners: Tensor | None) -> Tensor | None:
    """Return for each element the first one of the same owner."""
    if owners is None:
        return None
    return (owners[:, None] == owners).to(torch.uint8).argmax(1)


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean of values of samples (B,), each times its weight; a value of the batch (a scalar) as it is."""
    return values.mean() if weight is None or values.ndim == 0 else (values * weight).mean()
