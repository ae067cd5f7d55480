"""What a search draws, what it holds fixed and what it is judged by: read from a command line, before Optuna is asked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError
from aerun.settings.labels import ASIDE
from aerun.sweep.constraints import constraints_of
from aerun.sweep.pruning import KINDS

_HOW = "such as 'reg.lambda=tag(log,interval(1e-4,1))', 'model.latent_dim=range(2,33)' or model=ae,vae"
_GROUP = "search"


@dataclass(frozen=True)
class Space:
    """drawn: setting -> what it is drawn from. fixed: overrides of every job. objectives: figures, the first one ranks.

    constraints: figure -> bound. A job returns its objectives, and then these figures.
    """

    drawn: Mapping[str, str]
    fixed: Sequence[str]
    objectives: Sequence[str]
    seeds: int
    constraints: Mapping[str, float] = field(default_factory=dict)

    def arguments(self) -> list[str]:
        """Return what Hydra's sweeper composes every job of, with a value for each setting that is drawn."""
        return [*(f"{key}={text}" for key, text in self.drawn.items()), *self.fixed]

    def about(self) -> dict[str, Any]:
        """Return plain data, for sweep.json."""
        return {**asdict(self), "fixed": [f for f in self.fixed if _root(f) not in ("sweep", *ASIDE)]}


def searches(tasks: Sequence[str]) -> bool:
    """Return whether this is the command line of a search, and no grid, be it pruned or not.

    Raises AerunError for settings of a search without one.
    """
    typed = [t for t in tasks if _root(t) == _GROUP]
    if any(t in ("search=null", "search=") for t in typed):
        raise AerunError("search=null: leave it out: a sweep without search= is a grid.")
    if any(_key(t) == _GROUP for t in typed):
        return not _prunes_alone(typed)
    if typed and typed[0].startswith("search.prune."):
        raise AerunError(f"{typed[0]}: belongs to pruning: add search=asha, search=hyperband or search=median.")
    if typed:
        raise AerunError(f"{typed[0]}: belongs to a search: add search=lambda, search=bottleneck or search=own.")
    return False


def prunes(tasks: Sequence[str]) -> bool:
    """Return whether search= chooses a way of pruning."""
    return any(name in KINDS for t in tasks if _key(t) == _GROUP for name in _presets(t))


def _prunes_alone(typed: Sequence[str]) -> bool:
    """Return whether search= chooses pruning and nothing that is drawn. Raises AerunError for two kinds of it."""
    names = [name for t in typed if _key(t) == _GROUP for name in _presets(t)]
    kinds = [name for name in names if name in KINDS]
    if len(kinds) > 1:
        raise AerunError(f"search=[{','.join(names)}]: one way of pruning at a time: {' or '.join(kinds)}.")
    alone = bool(kinds) and set(names) == set(kinds)
    own = [t for t in typed if _key(t) != _GROUP and not _key(t).startswith("search.prune.")]
    if alone and own:
        raise AerunError(
            f"{own[0]}: belongs to a search, and search={kinds[0]} alone prunes a grid: add what draws, such as "
            f"search=[own,{kinds[0]}]."
        )
    return alone


def _presets(choice: str) -> list[str]:
    """Return the presets that search= names. Raises AerunError where several are typed as values of a grid."""
    one = OverridesParser.create().parse_overrides([choice])[0]
    if one.is_sweep_override():
        raise AerunError(f"{choice}: several presets are one list: search=[lambda,bottleneck].")
    value = one.value()
    return [str(name) for name in (value if isinstance(value, list) else [value])]


def is_of_search(task: str) -> bool:
    """Return whether an override is a setting of searches and pruning, which no job has."""
    return _root(task) == _GROUP


def refuse_choices(tasks: Sequence[str]) -> None:
    """Raise AerunError where several values are typed for what holds for the whole sweep."""
    for one in OverridesParser.create().parse_overrides(list(tasks)):
        line = str(one.input_line)
        if one.is_sweep_override() and _key(line).startswith("hydra"):
            raise AerunError(f"{line}: Hydra's own settings are not swept: one value for the whole sweep.")
        if _key(line).startswith("hydra.sweeper.params"):
            raise AerunError(f"{line}: is for a config of your own; on the command line type the values: -m seed=0,1.")
        if one.is_sweep_override() and _root(line) in ("sweep", _GROUP, *ASIDE) and _key(line) != _GROUP:
            how = (
                f": type {_key(line).removeprefix('search.space.')}=... itself"
                if ".space." in line
                else ", not one for each job"
            )
            raise AerunError(f"{line}: one value for the whole sweep{how}.")


def space_of(cfg: DictConfig, tasks: Sequence[str]) -> Space:
    """Return the space of a composed config and the overrides that were typed.

    Raises AerunError for what cannot be searched.
    """
    parsed = {_key(str(o.input_line)): o for o in OverridesParser.create().parse_overrides(list(tasks))}
    if _GROUP in parsed and parsed[_GROUP].is_sweep_override():
        raise AerunError(f"{parsed[_GROUP].input_line}: several presets are one list: search=[lambda,bottleneck].")
    own = {k: o for k, o in parsed.items() if k.partition(".")[0] != _GROUP}
    ranges = {**(cfg.search.space or {}), **(cfg.hydra.sweeper.params or {})}
    preset = OverridesParser.create().parse_overrides([f"{k}={v}" for k, v in ranges.items() if k not in own])
    drawn = {o.get_key_element(): _text(o, cfg) for o in [*preset, *own.values()] if o.is_sweep_override()}
    fixed = [str(o.input_line) for o in [*preset, *own.values()] if not o.is_sweep_override()]
    if not drawn:
        raise AerunError(f"{' '.join(tasks)}: nothing to search: give a setting what it is drawn from, {_HOW}.")
    asked = cfg.objective if "objective" in own else cfg.search.objective or cfg.objective
    objectives = [asked] if isinstance(asked, str) else [str(k) for k in asked or ()]
    constraints = constraints_of(cfg.search.constraints, objectives)
    if constraints or ("objective" not in own and cfg.search.objective is not None):
        fixed = [o for o in fixed if _key(o) != "objective"] + [f"objective={_list([*objectives, *constraints])}"]
    return Space(drawn, fixed, objectives, _seeds(cfg.search.seeds, own), constraints)


def _seeds(seeds: Any, own: Mapping[str, Override]) -> int:
    count = whole("search.seeds", seeds)
    if "seed" in own and own["seed"].is_sweep_override():
        raise AerunError(f"{own['seed'].input_line}: no seed is drawn: search.seeds=3 runs every point with seed 0, 1 and 2.")
    if "seed" in own and count > 1:
        raise AerunError(f"{own['seed'].input_line} search.seeds={count}: one of the two: search.seeds counts seeds from 0.")
    return count


def whole(key: str, value: Any) -> int:
    """Return `value` if it is a whole number, at least 1, else AerunError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise AerunError(f"{key}={value}: a whole number, at least 1.")
    return value


def _text(override: Override, cfg: DictConfig) -> str:
    """Return what a setting is drawn from, as typed.

    But Hydra's range(A,B) ends before B, Optuna's at it, and an interval of a setting that holds a whole number is one of whole
    numbers.
    """
    _, _, text = str(override.input_line).partition("=")
    span = override.value()
    if isinstance(span, Glob):
        raise AerunError(f"{override.input_line}: a search wants options by name, such as model=ae,vae.")
    if isinstance(span, IntervalSweep):
        value = OmegaConf.select(cfg, str(override.key_or_group))
        return f"int({text})" if type(value) is int and not text.startswith("int(") else text
    if not isinstance(span, RangeSweep) or span.shuffle:
        return text
    low, high, step = float(span.start or 0), float(span.stop or 0), float(span.step)
    count = math.ceil((high - low) / step - 1e-9)
    if count < 1:
        raise AerunError(f"{override.input_line}: an empty range: nothing can be drawn from it.")
    ends = sorted((low, low + (count - 1) * step))
    if all(isinstance(v, int) for v in (span.start, span.stop, span.step)):
        return f"range({ends[0]:.0f},{ends[1]:.0f},{abs(step):.0f})"
    return f"range({ends[0]!r},{ends[1]!r},{abs(step)!r})"


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _root(word: str) -> str:
    return _key(word).partition(".")[0]


def _list(names: Sequence[str]) -> str:
    return f"[{','.join(names)}]" if names[1:] else names[0]
