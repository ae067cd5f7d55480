"""What a multirun is going to do, known and written down before Hydra starts it."""

import os
import re
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError
from aerun.core.text import say
from aerun.settings.flags import read_flags
from aerun.settings.naming import new_folder
from aerun.settings.overrides import config_of
from aerun.settings.quoting import in_quotes
from aerun.settings.sources import Jobs, Source, composer, source_of
from aerun.sweep.billed import Bill, asked, bill_of, bill_of_search
from aerun.sweep.changes import UNCHANGED, changes_of, chosen_of, table
from aerun.sweep.dry_run import data_now, dry_run, refuse_wide_preset
from aerun.sweep.fresh import begin_anew
from aerun.sweep.grid import Grid, keep, settle
from aerun.sweep.idle import GridJob, key_of, lacking, once
from aerun.sweep.jobs import check, jobs_of
from aerun.sweep.launchers import ONE_BY_ONE, announcement, fused, resources, runs_here, settings
from aerun.sweep.mode import task_overrides
from aerun.sweep.nested import follow_up, nested
from aerun.sweep.optuna import refuse_without_plugin
from aerun.sweep.places import SUBDIR, names_of
from aerun.sweep.planned import GRID, register
from aerun.sweep.prune_plan import announced, clear_stale, pruning_of_grid, pruning_of_search
from aerun.sweep.space import is_of_search, refuse_choices, searches, space_of, whole
from aerun.sweep.study import studied

if TYPE_CHECKING:
    from aerun.sweep.study import Opened

_SWEEPS = Path("outputs/sweeps")
_DATED = "outputs/sweeps/${now:%Y-%m-%d_%H-%M-%S}"  # as config.yaml has it
_LIMIT = 200  # bytes of a sweep's name
_NESTED = "sweep.nested=true: is for grids of code sizes; this one draws its jobs as it goes."
_DRAWN = "sweep.fuse=true: is for grids, whose jobs are known beforehand; a search draws them as it goes."


@dataclass(frozen=True)
class SweepPlan:
    """What a multirun is going to do.

    Its folder, the grid in it, further overrides for Hydra, what trains jobs as one before they are run, and of a search its
    study: see `studied`.
    """

    folder: Path
    grid: Grid
    overrides: list[str]
    objective: str = "objective"  # the figure that ranks its jobs, where it is one for all
    fuse: Callable[[], None] | None = None
    study: AbstractContextManager["Opened"] | None = None
    left_alone: Set[str] = frozenset()  # names of jobs that sweep.only leaves out
    bill: Bill = field(default_factory=Bill)
    withheld: frozenset[str] = frozenset()  # words that Hydra could not compose by themselves: not every job has the setting


def plan_sweep(argv: Sequence[str], command: str, fresh: bool = False, billed: bool = False) -> SweepPlan | None:
    """Return what a multirun will do; a grid is then written down, a search when its study is open.

    fresh: first remove what aerun wrote in the sweep's folder. billed: print its bill and return None. AerunError for a grid
    that may not be run.
    """
    typed = list(read_flags(argv).overrides)
    tasks = task_overrides(typed)
    refuse_choices(typed)
    plan = _searched if searches(tasks) else _planned
    return plan(typed, tasks, source_of(argv), command, fresh, billed)


def _planned(typed: list[str], tasks: list[str], source: Source, command: str, fresh: bool, billed: bool) -> SweepPlan | None:
    """Return a grid, or what a sweeper of the user's own draws."""
    with composer(source) as hydra:
        jobs = Jobs(source, hydra, [o for o in typed if o not in tasks])
        cfg, _ = jobs.composed([str(o.input_line) for o in jobs.parsed(tasks) if not o.is_sweep_override()])
        tasks = [o for o in tasks if not is_of_search(o)]  # of the sweep, and of no job
        _refuse_devices(cfg, typed)
        if str(cfg.hydra.sweeper._target_) != GRID:
            return _drawn(cfg, command, billed)
        found = jobs_of(jobs, cfg, tasks)
        grid, place = once(found), _named(cfg)
        if cfg.sweep.nested:
            grid = nested(grid, jobs)
        named = names_of(jobs, grid, cfg, place or _SWEEPS)
        pruning = pruning_of_grid(cfg, named, None if fresh else place)
        changes = changes_of(None if fresh else place, named, runs_here(cfg))
        chosen = chosen_of(cfg.sweep.only, changes)
        later = partial(follow_up, jobs=[job.typed for job in grid]) if cfg.sweep.nested else None
        sweeper = register({job.typed: job.config for name, job in named.items() if name in chosen}, later)
        more = [*settings(cfg, len(chosen)), SUBDIR, f"hydra.sweeper._target_={sweeper}"]
        own = resources(cfg, [job.typed for name, job in named.items() if name in chosen])
    fuse = fused(cfg) and not pruning
    check([job for name, job in named.items() if changes[name].kind != UNCHANGED], runs_here(cfg))
    left = {name: job.config for name, job in named.items() if name in chosen and changes[name].kind != UNCHANGED}
    bill = bill_of(cfg, left, bool(pruning)) if asked(cfg, billed) else Bill()
    if billed:
        return None
    folder = _place(cfg)
    prune = pruning.plain() if pruning else {}
    planned = Grid(command, {name: job.typed for name, job in named.items()}, lacking=lacking(found), prune=prune)
    train = partial(_train_fused, folder, {name: job for name, job in named.items() if name in chosen}) if fuse else None
    if fresh:
        begin_anew(folder)
    kept = keep(folder, planned, bool(cfg.sweep.extend))
    bill.save(folder)
    about = announced(pruning, cfg, {job.config["trainer"].get("max_epochs") for job in named.values()}) if pruning else []
    for line in (*table(folder, planned, kept, changes, chosen), *own, *about):
        say(line)
    if pruning:
        clear_stale(folder, changes)
    ranking = _ranking(cfg, [job.typed for job in grid])
    withheld = frozenset(o for o in tasks if key_of(o) in planned.lacking)
    left_alone = set(kept.jobs) - chosen if cfg.sweep.only is not None else frozenset[str]()
    words = [_into(folder), *more]
    plan = SweepPlan(folder, kept, words, ranking, train, withheld=withheld, left_alone=left_alone, bill=bill)
    return _told(plan, cfg)


def _drawn(cfg: DictConfig, command: str, billed: bool) -> SweepPlan:
    """Return what another sweeper does, which draws its jobs as it goes."""
    _refuse_whole(cfg)
    if asked(cfg, billed):
        raise AerunError("a bill: is for grids and search=; what this sweeper will draw, nobody knows beforehand.")
    resources(cfg, [])
    more = settings(cfg, 1)
    folder = _place(cfg)
    grid = keep(folder, Grid(command, {}), bool(cfg.sweep.extend))
    return _told(SweepPlan(folder, grid, [_into(folder), *more], _ranking(cfg, [])), cfg)


def _refuse_whole(cfg: DictConfig) -> None:
    """Raise AerunError for what needs all jobs beforehand."""
    if fused(cfg) or cfg.sweep.nested:
        raise AerunError(_DRAWN if fused(cfg) else _NESTED)
    if cfg.sweep.only is not None:
        raise AerunError(f"sweep.only={cfg.sweep.only}: is for grids, whose jobs are known beforehand.")


def _train_fused(folder: Path, jobs: Mapping[str, GridJob]) -> None:
    # deferred: a sweep that trains nothing as one, and completion, need no torch
    from aerun.sweep.fuse import train_fused

    train_fused(folder, jobs)


def _ranking(cfg: DictConfig, jobs: Sequence[Sequence[str]]) -> str:
    """Return the figure that is the objective of all jobs, the first of several, or `objective` where they differ."""
    typed = {o for job in jobs for o in job if o.startswith("objective=")}
    asked = "objective" if len(typed) > 1 else cfg.objective
    return asked if isinstance(asked, str) else str(asked[0])


def _searched(typed: list[str], tasks: list[str], source: Source, command: str, fresh: bool, billed: bool) -> SweepPlan | None:
    """Return the same for a search."""
    refuse_without_plugin()
    hydra = [o for o in typed if o not in tasks]
    sweeper = [] if any(o.startswith("hydra/sweeper=") for o in hydra) else ["hydra/sweeper=optuna"]
    parsed = OverridesParser.create().parse_overrides([*typed, *sweeper])
    fixed = [str(o.input_line) for o in parsed if not o.is_sweep_override()]
    cfg = config_of(fixed, source)
    refuse_wide_preset(cfg, fixed, source)
    _refuse_devices(cfg, typed)
    _refuse_whole(cfg)
    resources(cfg, [])
    space = space_of(cfg, tasks)
    more = settings(cfg, whole("search.at_once", cfg.search.at_once or 1) * space.seeds)
    pruning = pruning_of_search(cfg, space.objectives, None if fresh else _named(cfg))
    dry_run(space, source)
    bill = bill_of_search(cfg, space, source) if asked(cfg, billed) else Bill()
    if billed:
        return None
    for line in announced(pruning, cfg, {cfg.trainer.get("max_epochs")}) if pruning else ():
        say(line)
    folder = _place(cfg)
    if fresh:
        begin_anew(folder)
    study = studied(folder, cfg, space, hydra)
    about, prune = {**space.about(), "data": data_now(cfg)}, pruning.plain() if pruning else {}
    grid = settle(folder, Grid(command, {}, about, prune=prune), bool(cfg.sweep.extend))
    return _told(SweepPlan(folder, grid, [_into(folder), *more, *sweeper], study=study, bill=bill), cfg)


def _named(cfg: DictConfig) -> Path | None:
    """Return a multirun's folder; None for one that is called after the time."""
    if cfg.sweep.name is not None:
        return _SWEEPS / _checked(str(cfg.sweep.name))
    usual = str(OmegaConf.to_container(cfg.hydra.sweep, resolve=False)["dir"]) == _DATED  # type: ignore[call-overload,index]
    return None if usual else Path(str(cfg.hydra.sweep.dir))


def _place(cfg: DictConfig) -> Path:
    """Return a multirun's folder; one that is called after the time is made here, so that no other command has it."""
    return _named(cfg) or Path(new_folder(str(_SWEEPS), None))


def _into(folder: Path) -> str:
    """Return an override that puts a multirun there, absolute since workers may stand in another directory."""
    return f"hydra.sweep.dir={in_quotes(str(folder.absolute()))}"


def _told(planned: SweepPlan, cfg: DictConfig) -> SweepPlan:
    if words := announcement(cfg, planned.folder, len(planned.grid.jobs)):
        say(words)
    return planned


def one_by_one() -> bool:
    """Return whether this multirun does its jobs one after the other."""
    return str(HydraConfig.get().launcher._target_) == ONE_BY_ONE


def _refuse_devices(cfg: DictConfig, typed: Sequence[str]) -> None:
    """Raise AerunError for a sweep of runs that take several devices each."""
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
    """Return the name of a sweep, also where the path of its folder is typed."""
    path = Path(name)
    if path.parent == _SWEEPS or path.absolute().parent == _SWEEPS.absolute():
        name = path.name if "/" in name else name
    if not re.fullmatch(r"[\w][\w.+-]*", name) or len(os.fsencode(name)) > _LIMIT:
        where = f" hydra.sweep.dir={name} puts a sweep elsewhere." if "/" in name else ""
        rule = f"a name is letters, digits, and . + - _ behind the first, {_LIMIT} bytes at most"
        raise AerunError(f"sweep={name}: {rule}.{where}")
    return name
