"""`search.constraints`: what a point must hold to be recommended, such as at most so many parameters."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from aerun.core.errors import AerunError
from aerun.core.text import counted
from aerun.runs.figures import higher_is_better
from aerun.runs.groups import Group
from aerun.sweep.grid import Grid, read

KEPT = "aerun:constraints"  # of a trial: by how much each is violated, as a share of its bound; 0 or less where it is held
SEEDS = "aerun:seeds"  # of a trial: its objectives, a row a seed
MEASURED = "aerun:measured"  # of a trial: figure -> its worst value over seeds


def constraints_of(asked: Any, objectives: Sequence[str]) -> dict[str, float]:
    """Return figure -> bound. Raises AerunError for what is none, and for a figure that is an objective as well."""
    plain = OmegaConf.to_container(asked, resolve=True) if OmegaConf.is_config(asked) else asked
    if plain is None:
        return {}
    if not isinstance(plain, Mapping) or not all(_is_number(v) for v in plain.values()):
        raise AerunError(f"search.constraints={plain}: figures and their bounds, such as {{parameters: 2e4, bytes: 1e5}}.")
    if both := set(plain) & set(objectives):
        raise AerunError(f"search.constraints: {', '.join(map(str, sorted(both)))}: is an objective of this search already.")
    return {str(k): float(v) for k, v in plain.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def in_words(constraints: Mapping[str, float]) -> str:
    """Return them in words: `parameters at most 20000 and test/psnr at least 20`."""
    return " and ".join(f"{k} at {'least' if higher_is_better(k) else 'most'} {v:g}" for k, v in constraints.items())


def worst(constraints: Mapping[str, float], rows: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the worst value over seeds of each figure. rows: a row of values a seed, in the order of the constraints."""
    columns = zip(*rows, strict=True)
    return {k: (min if higher_is_better(k) else max)(column) for k, column in zip(constraints, columns, strict=True)}


def violations(constraints: Mapping[str, float], measured: Mapping[str, float]) -> list[float]:
    """Return by how much each bound is exceeded, as a share of it; 0 or less where it is held."""
    signs = {k: -1 if higher_is_better(k) else 1 for k in constraints}
    return [signs[k] * (measured[k] - bound) / (abs(bound) or 1.0) for k, bound in constraints.items()]


def of_trial(trial: Any) -> list[float]:
    """Return what Optuna's samplers ask of a trial: the violations that were kept with it."""
    kept: list[float] = trial.user_attrs.get(KEPT, [])
    return kept


def feasible(trial: Any) -> bool:
    """Return whether a trial holds all constraints; one that was judged by none does."""
    return all(v <= 0 for v in of_trial(trial))


def held_first(groups: Sequence[Group], paths: Sequence[Path]) -> tuple[list[Group], list[Group], str]:
    """Return the settings of a search that hold its constraints, the others, and in words how many do; the order is kept.

    paths: folders that were asked about; where their searches have no constraints, or other ones each, all hold them.
    """
    asked = [(grid.search.get("constraints") or {}) if (grid := _grid(path)) else {} for path in paths]
    limits = asked[0] if asked and all(one == asked[0] for one in asked) else {}
    if not limits:
        return list(groups), [], ""
    held = [group for group in groups if _holds(group, limits)]
    rest = [group for group in groups if all(group is not one for one in held)]
    more = "they come first, and the others are not recommended" if held else "none is recommended"
    return held, rest, f"{len(held)} of {counted(len(groups), 'setting')} hold {in_words(limits)}: {more}."


def _grid(path: Path) -> Grid | None:
    return read(path) if path.is_dir() else None


def _holds(group: Group, limits: Mapping[str, float]) -> bool:
    """Return whether every run of a group holds every bound."""
    rows = [[run.figure(key) for key in limits] for run in group.runs]
    return all(v <= 0 for row in rows for v in violations(limits, dict(zip(limits, row, strict=True))))
