"""What a multirun is going to do, known and written down before Hydra starts it."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from aerun.core.errors import AerunError
from aerun.core.text import say
from aerun.settings.overrides import config_of
from aerun.sweep.fuse import train_fused
from aerun.sweep.grid import Grid, keep, settle
from aerun.sweep.launchers import ONE_BY_ONE, announcement, fused, settings
from aerun.sweep.space import refuse_choices, searches, space_of, whole

if TYPE_CHECKING:
    from aerun.sweep.study import Opened

_DRAWN = "sweep.fuse=true: is for grids, whose jobs are known beforehand; a search draws them as it goes."
_GRID = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


@dataclass(frozen=True)
class SweepPlan:
    """A multirun's folder, the grid in it, further overrides for Hydra, what trains jobs as one before they are run, and of a
    search its study: see `studied`."""

    folder: Path
    grid: Grid
    overrides: list[str]
    objective: str = "objective"  # the figure that ranks its jobs, where it is one for all
    fuse: Callable[[], None] | None = None
    study: AbstractContextManager["Opened"] | None = None


def plan_sweep(argv: Sequence[str], command: str, name_of: Callable[[list[str]], str]) -> SweepPlan | None:
    """What a multirun will do, None for anything else; a grid is then written down, a search when its study is open.

    name_of: a job's overrides -> its folder's name. AerunError for a grid that may not be run.
    """
    typed = get_args_parser().parse_args(list(argv))
    if typed.cfg or typed.info or typed.shell_completion:
        return None
    tasks = [o for o in typed.overrides if not o.lstrip("+~").startswith("hydra")]
    searched = searches(tasks)
    if not typed.multirun:
        if searched:
            raise AerunError("search= draws the settings of many runs: it needs -m, as in aerun -m search=lambda model=sparse.")
        return None
    own = None if typed.config_dir is None else Path(typed.config_dir)
    refuse_choices(tasks)
    if searched:
        return _searched(list(typed.overrides), tasks, own, command)
    parser = OverridesParser.create()
    cfg = config_of([str(o.input_line) for o in parser.parse_overrides(typed.overrides) if not o.is_sweep_override()], own)
    folder = _place(cfg, typed.overrides)
    if str(cfg.hydra.sweeper._target_) == _GRID:
        params = [f"{k}={v}" for k, v in (cfg.hydra.sweeper.params or {}).items()]
        (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides([*params, *tasks]), None)
        if not jobs:
            raise AerunError(f"{' '.join(tasks)}: an empty grid: one of these has no value, such as range(3,3).")
    else:
        jobs = []
    more = _launched(cfg, folder, max(1, len(jobs)))
    planned = {name_of(job): job for job in jobs}
    fuse = partial(train_fused, folder, planned, own) if fused(cfg) else None
    if fuse is not None and not jobs:
        raise AerunError(_DRAWN)
    grid = keep(folder, Grid(command, planned), bool(cfg.sweep.extend))
    return _told(SweepPlan(folder, grid, more, _ranking(cfg, jobs), fuse), cfg)


def _ranking(cfg: DictConfig, jobs: Sequence[Sequence[str]]) -> str:
    """The figure that is the objective of all jobs, the first of several; where they have different ones, `objective`."""
    typed = {o for job in jobs for o in job if o.startswith("objective=")}
    asked = "objective" if len(typed) > 1 else cfg.objective
    return asked if isinstance(asked, str) else str(asked[0])


def _searched(typed: list[str], tasks: list[str], own: Path | None, command: str) -> SweepPlan:
    """The same for a search."""
    from aerun.sweep.dry_run import dry_run, refuse_wide_preset
    from aerun.sweep.optuna import refuse_without_plugin
    from aerun.sweep.study import studied

    refuse_without_plugin()
    hydra = [o for o in typed if o not in tasks]
    sweeper = [] if any(o.startswith("hydra/sweeper=") for o in hydra) else ["hydra/sweeper=optuna"]
    parsed = OverridesParser.create().parse_overrides([*typed, *sweeper])
    fixed = [str(o.input_line) for o in parsed if not o.is_sweep_override()]
    cfg = config_of(fixed, own)
    refuse_wide_preset(cfg, fixed, own)
    folder = _place(cfg, typed)
    if fused(cfg):
        raise AerunError(_DRAWN)
    space = space_of(cfg, tasks)
    more = _launched(cfg, folder, whole("search.at_once", cfg.search.at_once or 1) * space.seeds)
    study = studied(folder, cfg, space, hydra)
    dry_run(space, own)
    grid = settle(folder, Grid(command, {}, space.about()), bool(cfg.sweep.extend))
    return _told(SweepPlan(folder, grid, [*more, *sweeper], study=study), cfg)


def _place(cfg: DictConfig, typed: Sequence[str]) -> Path:
    """A multirun's folder. AerunError where there cannot be one."""
    _refuse_devices(cfg, typed)
    named = cfg.sweep.name is not None
    return Path("outputs/sweeps") / _checked(str(cfg.sweep.name)) if named else Path(str(cfg.hydra.sweep.dir))


def _launched(cfg: DictConfig, folder: Path, jobs: int) -> list[str]:
    """Overrides that put a multirun there, absolute since workers may stand in another directory, and launch its jobs."""
    quoted = str(folder.absolute()).replace("'", r"\'")
    return [f"hydra.sweep.dir='{quoted}'", *settings(cfg, jobs)]


def _told(planned: SweepPlan, cfg: DictConfig) -> SweepPlan:
    if words := announcement(cfg, planned.folder, len(planned.grid.jobs)):
        say(words)
    return planned


def one_by_one() -> bool:
    """Does this multirun do its jobs one after the other?"""
    return str(HydraConfig.get().launcher._target_) == ONE_BY_ONE


def _refuse_devices(cfg: DictConfig, typed: Sequence[str]) -> None:
    """AerunError for a sweep of runs that take several devices each."""
    drawn = {**(cfg.hydra.sweeper.get("params") or {}), **cfg.search.space}
    keys = [*typed, *(f"{k}={v}" for k, v in drawn.items())]
    asked = [o.lstrip("+") for o in keys if o.lstrip("+").startswith("trainer.devices=") and not o.endswith("=1")]
    devices = cfg.trainer.get("devices", 1)  # a trainer of the user's own may not know it
    if devices != 1 and not asked:
        asked = [f"trainer.devices={devices}"]
    if asked:
        raise AerunError(
            f"{asked[0]}: in a sweep every run has one device; a further process of one job would take the place of another "
            "job. Leave out -m to train one model on several, or do several runs at once with sweep.jobs=N."
        )


def _checked(name: str) -> str:
    if not re.fullmatch(r"[\w][\w.+-]*", name):
        raise AerunError(f"sweep={name}: a name is letters, digits, and . + - _ behind the first.")
    return name
