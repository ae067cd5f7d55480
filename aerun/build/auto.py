"""Which loss and which arch the data call for, where a config leaves that to them."""

from collections.abc import Mapping
from typing import Any

from aerun.build.maker import Config, Maker
from aerun.core.facts import Facts
from aerun.parts import Bottleneck
from aerun.settings.auto import chosen, is_marked, is_open, without_mark


def settled(cfg: Config, facts: Facts, make: Maker) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the config with every open option chosen from the facts of the data, and the names of the parts that were open.

    arch: recurrent for text and samples of varying length, else mlp. loss: categorical for symbols; mixed for tables with
    categories, whose rare words cost squared error next to nothing, unless rows have weights. Of other data: behind a code with
    a posterior, whose strength weighs against a likelihood, bce on data within [0, 1] and gaussian elsewhere; else mse. Raises
    AerunError for a setting that was given for another option.
    """
    model = cfg["model"]
    options = {part: pick(cfg, facts, make) for part, pick in _PICKS.items() if is_open(part, model.get(part))}
    nodes = {part: without_mark(model[part]) for part in _PICKS if is_marked(model.get(part))}
    nodes |= {part: chosen(part, model[part], option) for part, option in options.items()}
    return {**cfg, "model": {**model, **nodes}}, frozenset(options)


def _arch(cfg: Config, facts: Facts, make: Maker) -> str:
    return "recurrent" if facts.tokens or facts.ragged else "mlp"


def _loss(cfg: Config, facts: Facts, make: Maker) -> str:
    if facts.tokens:
        return "categorical"
    weighed = cfg["dataset"].get("weights") is not None  # mixed, whose scales are those of a batch, cannot keep to them
    if any(kind == "category" for _, kind, _, _ in facts.columns) and not weighed:
        return "mixed"
    bottleneck: type[Bottleneck] = make.named("model.bottleneck", cfg["model"]["bottleneck"])
    if "posterior" not in bottleneck.offers:
        return "mse"
    within = facts.low is not None and facts.high is not None and facts.low >= 0 and facts.high <= 1
    return "bce" if within else "gaussian"


_PICKS: Mapping[str, Any] = {"arch": _arch, "loss": _loss}
