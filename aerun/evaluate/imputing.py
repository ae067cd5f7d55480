"""What a model expects in cells that are missing, and how sure it is: one function for verbs and for evaluation.

A model with a posterior weighs codes by importance sampling (self-normalized), as MIWAE does:
    z_l ~ q(z|x_seen), w_l ~ p(x_seen|z_l) p(z_l) / q(z_l|x_seen), sum_l w_l = 1
    value: sum_l w_l E[x|z_l], of words the most probable one. Draw: l ~ Categorical(w), x ~ p(x|z_l). ess = 1 / sum_l w_l^2.
One that was trained to fill holes fills them in one pass; so does one whose encoder reads what is missing. Any other starts
from what its preparation puts there, and its reconstructions take that place ten times.
Mattei & Frellsen 2019, https://arxiv.org/abs/1812.02633: there a value is a mean of draws, here of means, without their noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.memory import refuse_beyond, rows_that_fit
from aerun.evaluate.scores import settled
from aerun.regularizer.log_ratio import code_log_ratio
from aerun.vocabulary import Pass, call

CODES = 1000  # of a row, where codes are weighed
_ROUNDS = 10
_BYTES = 16  # that an element of a code's reconstruction takes, its likelihood and what is expected with it
_ELEMENTS = 8_000_000  # of all codes' reconstructions of the rows that are worked on together


@dataclass(frozen=True)
class Cells:
    """Samples with missing cells, in the model's units: x (B, *S), seen (B, *S) bool, and what is known beside them.

    What x holds where it is not seen is what the preparation puts there, and never what was hidden.
    """

    x: Tensor
    seen: Tensor
    beside: dict[str, Tensor]

    def rows(self, at: slice) -> "Cells":
        """Return some of them."""
        return Cells(self.x[at], self.seen[at], {k: v[at] for k, v in self.beside.items()})


@dataclass(frozen=True)
class Filled:
    """x_hat (B, *S): the values expected. draws (M, B, *S): draws of them. ess (B,): NaN where no codes are weighed."""

    x_hat: Tensor
    draws: Tensor
    ess: Tensor


def weighs_codes(model: Autoencoder) -> bool:
    """Return whether codes are weighed: they have a posterior and a prior, and the loss is a likelihood in nats."""
    return model.has_bound and bool(model.loss.density) and model.loss.per_lambda(2) == 1


def fills_holes(model: Autoencoder) -> bool:
    """Return whether the model was trained to fill what its corruption hides, and knows no other missing cells."""
    return model.corruption.hides and not model.preparation.keeps_gaps


def cells(model: Autoencoder, stored: Tensor, hidden: Tensor) -> Cells:
    """Return stored samples in which `hidden` (B, *stored) is missing, and whatever they lack themselves."""
    own = model.facts.own(stored)
    if own.is_floating_point():
        hidden = hidden | (own.isnan() & _within(model, stored, own))
        own = own.masked_fill(hidden, torch.nan)
    gone = model.facts.joined(own, model.facts.conditions(stored)) if model.facts.told else own
    owners = model.preparation.owners
    x = model.units(gone).to(next(model.arch.parameters()).dtype)
    hole = (hidden if owners is None else hidden[:, owners.to(hidden.device)]).expand_as(x)
    x = torch.where(hole & x.isnan(), model.arch.mean.expand_as(x), x)
    beside = model.beside(stored)
    inputs = model.preparation.inputs
    judged = ~hole if inputs is None else ~hole & ~inputs
    return Cells(x, ~hole, {**beside, "seen": judged} if model.preparation.tells_seen else beside)


def _within(model: Autoencoder, stored: Tensor, own: Tensor) -> Tensor:
    """Return which values (B, *stored) are of real steps: what stands behind the last one is no missing cell."""
    valid = model.facts.valid(stored)
    if valid is None:
        return torch.ones_like(own, dtype=torch.bool)
    return valid.reshape(*valid.shape, *[1] * (own.ndim - valid.ndim)).expand_as(own)


@torch.no_grad()
def filled(model: Autoencoder, missing: Cells, codes: int = CODES, draws: int = 0) -> Filled:
    """Return what is expected in missing cells, and `draws` of it; seen cells too are what the model says of them."""
    if not weighs_codes(model) or fills_holes(model):
        x_hat = _one_pass(model, missing)
        return Filled(x_hat, x_hat.expand(draws, *x_hat.shape), x_hat.new_full((len(x_hat),), torch.nan))
    refuse_beyond(f"impute: {codes:,} codes of a row (--codes: fewer)", _BYTES * float(codes) * model.facts.size)
    rows = max(1, min(rows_that_fit(model.facts.size), _ELEMENTS // (codes * model.facts.size)))
    starts = range(0, len(missing.x), rows)
    parts = [_weighed(model, missing.rows(slice(first, first + rows)), codes, draws) for first in starts]
    joined = (torch.cat([getattr(p, k) for p in parts], axis) for k, axis in (("x_hat", 0), ("draws", 1), ("ess", 0)))
    return Filled(*joined)


def _one_pass(model: Autoencoder, missing: Cells) -> Tensor:
    x, seen, beside = missing.x, missing.seen, missing.beside
    if fills_holes(model):
        hole = ~seen
        output: Tensor = model(x.masked_fill(hole, model.corruption.fill), hole, **beside)
        return output
    x_hat: Tensor = model(x, **beside)
    if model.preparation.shows_gaps:
        return x_hat
    return settled(lambda part: model(part, **beside), x, seen, x_hat, _ROUNDS)


def _weighed(model: Autoencoder, missing: Cells, codes: int, draws: int) -> Filled:
    x, seen, beside = missing.x, missing.seen, missing.beside
    names = model.clean_pass(x, **beside)
    posterior, prior = names["posterior"], names["prior"]
    n, most = len(x), max(1, _ELEMENTS // (len(x) * model.facts.size))
    logs, raws = list[Tensor](), list[Tensor]()
    for first in range(0, codes, most):
        z = posterior.sample(torch.Size([min(most, codes - first)]))  # (K, B, d, *grid)
        k = len(z)
        again: Pass = {
            name: v.repeat(k, *[1] * (v.ndim - 1))
            for name, v in {"x": x, "target": model.target(x), "seen": seen, **beside}.items()
        }
        again["mask"] = torch.zeros_like(again["x"], dtype=torch.bool)
        about = {name: again[name] for name in beside}
        again["raw"] = model.raw(z.flatten(0, 1), **about)
        loss: Tensor = call(model.loss, again)
        logs.append(code_log_ratio(z, posterior, prior).double() - loss.double().reshape(k, n))
        raws.append(again["raw"].reshape(k, n, *again["raw"].shape[1:]))
    weights, raw = torch.cat(logs).softmax(0), torch.cat(raws)  # (K, B), (K, B, *raw)
    like = x.expand(len(raw), *x.shape).flatten(0, 1)
    expected = model.loss.activate_like(raw.flatten(0, 1), like).reshape(len(raw), *x.shape)
    x_hat = torch.einsum("kb,kb...->b...", weights.to(expected.dtype), expected)
    drawn = expected.new_zeros(0, *x.shape)
    if draws:
        chosen = torch.multinomial(weights.t(), draws, replacement=True).t()  # (M, B)
        picked = raw[chosen, torch.arange(n, device=x.device)].flatten(0, 1)
        drawn = model.loss.emit(picked).reshape(draws, *x.shape).to(x.dtype)
    return Filled(x_hat, drawn, (1 / weights.square().sum(0)).to(x.dtype))
