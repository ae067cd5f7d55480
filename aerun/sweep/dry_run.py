"""A search's first look at its own space: mistakes that every one of its runs would make are told at once."""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from aerun.core.errors import AerunError
from aerun.settings.catalog import ORDER
from aerun.settings.overrides import config_of, refuse_idle_lambda, resolved
from aerun.settings.sources import Source
from aerun.sweep.optuna import distributions_of
from aerun.sweep.space import Space


def refuse_wide_preset(cfg: DictConfig, fixed: Sequence[str], source: Source | None) -> None:
    """Raise AerunError where a preset sets what the jobs, which are composed without it, would not have."""
    without = [word for word in fixed if word.lstrip("+").partition("=")[0] != "search"]
    if resolved(cfg) != resolved(config_of(without, source)):
        raise AerunError(
            "search=: this preset sets more than is below `search` (# @package search): type that, or make a recipe."
        )


def dry_run(space: Space, source: Source | None = None) -> None:
    """Compose and build the runs at both ends of the space. source: where the user's own configs are read.

    AerunError, or Hydra's own error, where neither can be; where parts are drawn, too, only what cannot be composed is told.
    """
    distributions = distributions_of(space)
    low = {k: _ends(d)[0] for k, d in distributions.items()}
    for key, distribution in distributions.items():
        for choice in getattr(distribution, "choices", ()):
            words = [*(f"{k}={v}" for k, v in {**low, key: choice}.items()), *space.fixed]
            _refuse_idle(f"{key}={choice}", resolved(config_of(words, source)), words)
    if any(key.lstrip("+") in ORDER for key in distributions):
        return
    first = _refused([*(f"{k}={_ends(d)[0]}" for k, d in distributions.items()), *space.fixed], source)
    if first and _refused([*(f"{k}={_ends(d)[1]}" for k, d in distributions.items()), *space.fixed], source):
        raise first


def corners(space: Space, source: Source | None = None) -> dict[str, dict[str, Any]]:
    """Return the settings of runs at the ends of the space: all low, all high, and every choice with the others low."""
    distributions = distributions_of(space)
    low, high = ({k: _ends(d)[end] for k, d in distributions.items()} for end in (0, 1))
    choices = [{**low, k: choice} for k, d in distributions.items() for choice in getattr(d, "choices", ())]
    found = {}
    for point in [low, high, *choices]:
        words = [f"{k}={v}" for k, v in point.items()]
        found[" ".join(words)] = resolved(config_of([*words, *space.fixed], source))
    return found


def _refuse_idle(choice: str, plain: dict[str, Any], words: Sequence[str]) -> None:
    """Raise AerunError where a choice has no use for a setting that is drawn or fixed for all."""
    try:
        refuse_idle_lambda(plain, words)
    except AerunError as e:
        raise AerunError(f"{choice}: {e} A search draws every setting for every choice: search one after the other.") from e


def data_now(cfg: DictConfig) -> dict[str, Any]:
    """Return the fingerprint of the data that the runs of a search would read; empty where they cannot be read here."""
    # deferred: completion needs no torch
    from aerun.begin import data_of

    try:
        return data_of(resolved(cfg))
    except (AerunError, OSError):
        return {}


def _refused(overrides: Sequence[str], source: Source | None) -> AerunError | None:
    # deferred: completion needs no torch
    from aerun.build import build

    try:
        plain = resolved(config_of(overrides, source))
        refuse_idle_lambda(plain, overrides)
        build(plain)
    except AerunError as e:
        return e
    return None


def _ends(distribution: Any) -> tuple[Any, Any]:
    choices = getattr(distribution, "choices", None)
    return (choices[0], choices[-1]) if choices else (distribution.low, distribution.high)
