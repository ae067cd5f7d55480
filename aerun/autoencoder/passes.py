"""The objective pass, which corrupts and samples, as far as the names of the vocabulary; and the prior of codes."""

from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.func import functional_call

from aerun.autoencoder.use import Use
from aerun.compose import option
from aerun.core.errors import AerunError
from aerun.parts import Arch, Discrete, Part
from aerun.vocabulary import Pass, call


class Passes(Use):
    """The passes through the parts that fill the vocabulary."""

    def corrupted(self, x: Tensor, seen: Tensor | None = None) -> Pass:
        """Return what the corruption makes of x (B, *S).

        What it hides are whole values: all elements of a category or of a symbol of text, and a cell's mark, follow the first
        of them, so that no element gives away what the others were. Cells that are not `seen` stay as they are: nothing of
        them is hidden or judged.
        """
        names: Pass = self.corruption(x)
        if self.corruption.hides and (self.leaders is not None or self.facts.tokens):
            hidden = names["mask"]
            mask = hidden[..., :1].expand_as(hidden) if self.leaders is None else hidden[:, self.leaders]
            names = {**names, "x_in": x.masked_fill(mask, self.corruption.fill), "mask": mask}
        if seen is None or not self.corruption.alters:
            return names
        own = {"mask": names["mask"] & seen} if "mask" in names else {}
        return {**names, "x_in": torch.where(seen, names["x_in"], x), **own}

    def code_pass(
        self,
        x: Tensor,
        valid: Tensor | None = None,
        progress: float = 1.0,
        c: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Pass:
        """Return the pass as far as the code: corrupted input, sampled code.

        What x holds where it is not `seen` counts for nothing, see `stood_in`.
        """
        if seen is not None:
            x = self.stood_in(x, seen)
        names: Pass = {"x": x, **self.corrupted(x, seen), "progress": progress}
        names |= {k: v for k, v in (("valid", valid), ("seen", seen), ("c", c)) if v is not None}
        if torch.is_grad_enabled() and any(t.regularizer.differentiates_input for t in self.terms.values()):
            names["x_in"] = names["x_in"].detach().requires_grad_()
        names["h"] = self.features(names["x_in"], names.get("mask"), valid, c, seen)
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
        names = self.code_pass(x, valid, 1.0 if progress is None else progress, c, seen)
        if progress is None:
            names["raw"] = self.raw(names["z"], valid, c)
        else:
            names["raw"] = self.arch.decode_taught(self._read(names["z"], c), names["x"], valid, progress)
        if "x_hat" in self._takes:
            names["x_hat"] = self.loss.activate_like(names["raw"], x)
        if "target" in self._takes:
            names["target"] = self.target(x)
        names["reconstruction"] = call(self.loss, names)
        self._add_functions(names)
        if "encoder_weights" in self._takes:
            names["encoder_weights"] = self.arch.encoder_weights()
        if "decoder_weights" in self._takes:
            names["decoder_weights"] = self.decoder_weights()
        return names

    def clean_pass(self, x: Tensor, valid: Tensor | None = None, c: Tensor | None = None, seen: Tensor | None = None) -> Pass:
        """Return the pass of clean samples (B, *S) as far as the code, which is sampled where codes are random."""
        names = self._clean(x, valid, c, seen)
        self._add_code(names)
        return names

    def _clean(self, x: Tensor, valid: Tensor | None = None, c: Tensor | None = None, seen: Tensor | None = None) -> Pass:
        """Return the pass of clean samples as far as the encoder."""
        names: Pass = {"x": x, "x_in": x, "h": self.features(x, None, valid, c, seen), "progress": 1.0}
        return names | {k: v for k, v in (("valid", valid), ("seen", seen), ("c", c)) if v is not None}

    def _add_code(self, names: Pass) -> None:
        """Fill what the bottleneck and the prior make of the encoder's features."""
        names |= call(self.bottleneck, names)
        if "posterior" in names:
            names["posterior_of"] = self.posterior_of
        if self.prior is not None:
            names["prior"] = call(self.prior, names)

    def novelty(self, x: Tensor, **beside: Tensor) -> Tensor:
        """Return what a part calls unusual of clean samples (B, *S), at their deterministic codes: (B,).

        beside: see `Use.beside`. ValueError where no part says it.
        """
        (part,) = [p for p in (*self.chosen_parts().values(), *(t.regularizer for t in self.terms.values())) if _judges(p)]
        names = self._clean(x, **beside)
        names["z"] = self.bottleneck.code(names["h"])
        names["raw"] = self.raw(names["z"], beside.get("valid"), beside.get("c"))
        names["x_hat"] = self.loss.activate_like(names["raw"], x)
        self._add_functions(names)
        novelty: Tensor = call(part.novelty, names)
        return novelty

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
        mask, valid, seen, c = (names.get(k) for k in ("mask", "valid", "seen", "c"))
        names["encode"] = partial(self.encode, mask=mask, valid=valid, c=c, seen=seen)
        names["decode"] = partial(self.decode, valid=valid, c=c)
        names["decode_frozen"] = partial(self._decode_frozen, valid=valid, c=c)
        names["own"] = self.preparation.inverse
        names["judge"] = partial(self._judge, names)

    def _decode_frozen(self, z: Tensor, valid: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Return `decode`'s reconstructions, with no gradient for the arch's weights."""
        plainly = self.arch.decode_held(self._read(z, c))
        if plainly is not None:
            return self.loss.activate(plainly)
        held = {f"arch.{k}": p.detach() for k, p in self.arch.named_parameters()}
        raw = functional_call(_Decoder(_shared(self.arch)), held, (self._read(z, c), valid))
        return self.loss.activate(raw)

    def _judge(self, names: Pass, z: Tensor) -> Tensor:
        """Return losses (K, B) of K codes for each sample, z (K * B, d)."""
        k = len(z) // len(names["x"])
        kinds = ("x", "target", "mask", "valid", "seen", "c")
        repeated = {n: v.repeat(k, *[1] * (v.ndim - 1)) for n, v in names.items() if n in kinds}
        repeated["raw"] = self.raw(z, repeated.get("valid"), repeated.get("c"))
        losses: Tensor = call(call(self.loss.of_pass, names), repeated)
        return losses.reshape(k, -1)


def _judges(part: Part) -> bool:
    """Return whether a part says what it finds unusual."""
    return "novelty" in part.offers


class _Decoder(nn.Module):
    """The decoder of an arch as a module of its own, which can be called with other weights."""

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.arch = arch

    def forward(self, z: Tensor, valid: Tensor | None) -> Tensor:
        return self.arch.decode(z, valid)


def _shared(arch: Arch) -> Arch:
    """Return modules like those of `arch` around the same tensors.

    A constrained matrix is computed once a pass and kept by its module: of other modules it is computed anew.
    """
    return deepcopy(arch, {id(t): t for t in (*arch.parameters(), *arch.buffers())})
