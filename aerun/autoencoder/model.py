"""The picture, as one module: a pass through the parts, the objective, and the clean use of what was learned.

Two passes, chosen by the method that is called and never by `training`: the *objective* pass corrupts and samples; the *use*
pass (encode, decode, forward) is clean and deterministic.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import cached

from aerun.autoencoder.start import Start
from aerun.parts import Opposed, option
from aerun.vocabulary import Pass, call


@dataclass(frozen=True)
class Value:
    """The objective of one batch.

    The scalar to descend (less the terms that are descended apart), its parts in the order of `Autoencoder.keys` (first the
    whole), and the pass that they were taken from.
    """

    loss: Tensor
    parts: list[Tensor]
    names: Pass


class Autoencoder(Start):
    """L = mean_i reconstruction_i + reg.lambda * sum_k weight_k * Omega_k, on stored samples in the units of `facts`."""

    def keys(self, training: bool) -> list[str]:
        """Return names of a Value's parts: the loss, the reconstruction, and each computed term, raw and weighted."""
        own = ["penalty"] if "penalty" in self.bottleneck.offers else []
        return ["loss", "reconstruction", *own, *(f"{kind}/{k}" for k in self._computed(training) for kind in ("reg", "reg_w"))]

    def densities(self, keys: Iterable[str]) -> list[str]:
        """Return the settings of those parts whose log densities of codes enter a Value's parts `keys`.

        None where the reconstruction is among them: then it is the codes themselves. A density of units by themselves, whose
        variances are bounded, is not named beside one that is learned.
        """
        terms = [self.terms[kind[4:]].regularizer for kind in keys if kind.startswith("reg/")]
        if "reconstruction" in keys or not any({"posterior", "prior"} & term.takes() for term in terms):
            return []
        learned = [f"model/prior={option(self.prior)}"] if self.prior is not None and self.prior.learned else []
        own = [self.bottleneck.setting] if self.bottleneck.entangled or not learned else []
        return own + learned

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
    def known_share(self) -> float:
        """Return the least share of samples in a batch of which the terms want to know c."""
        return max((self.terms[k].regularizer.known_share for k in self._weighing), default=0.0)

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
            known |= {"c": x.new_zeros(2, self.arch.skip)} if self.arch.skip else {}
            if self.preparation.tells_seen:
                known["seen"] = torch.ones_like(x, dtype=torch.bool)
            self.watch(self.objective(x, None, valid, **known).names)
        self.train(was)


def _drawn(stored: Tensor, n: int) -> Tensor:
    """Return n random samples of the stored ones in their order, always the same."""
    order = torch.randperm(len(stored), generator=torch.Generator().manual_seed(0))[:n].sort().values
    return stored.index_select(0, order.to(stored.device))


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean of values of samples (B,), each times its weight; a value of the batch (a scalar) as it is."""
    return values.mean() if weight is None or values.ndim == 0 else (values * weight).mean()
