"""What is settled of a pruned grid before any of its jobs trains."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from aerun.core.errors import AerunError
from aerun.core.text import counted
from aerun.sweep.changes import STALE, Change
from aerun.sweep.grid import read
from aerun.sweep.idle import GridJob
from aerun.sweep.job import clear
from aerun.sweep.launchers import fused
from aerun.sweep.pruning import MEDIAN, Pruning, pruning_of
from aerun.sweep.rules import ENDED_FIRST
from aerun.sweep.rungs import pruning_in, units_of


def pruning_of_grid(cfg: DictConfig, jobs: Mapping[str, GridJob], place: Path | None) -> Pruning | None:
    """Return how a grid is pruned, None where it is not. place: its folder, None for one that is new.

    Raises AerunError where there is nothing to prune, and where pruning cannot go with other settings of the sweep.
    """
    if cfg.search.prune.kind is None:
        return None
    grid = read(place) if place is not None and place.is_dir() else None
    objectives = {str(job.config.get("objective")): job.config.get("objective") for job in jobs.values()}
    if len(objectives) > 1:
        raise AerunError(f"objective: {len(objectives)} of them: pruning judges all jobs by one figure.")
    epochs = [job.config["trainer"].get("max_epochs") for job in jobs.values()]
    before = pruning_in(place, grid) if place is not None and grid is not None else None
    found = pruning_of(cfg, next(iter(objectives.values())), epochs, before=before)
    if found is None:
        return None
    kind = f"search={found.kind}"
    if cfg.sweep.nested:
        raise AerunError(f"{kind} sweep.nested=true: one of the two: a nested run stands for all sizes already.")
    if cfg.sweep.only is not None:
        raise AerunError(f"{kind} sweep.only={cfg.sweep.only}: who goes on is decided among all jobs; leave out one.")
    refuse_few(found, len(units_of({name: job.typed for name, job in jobs.items()}, found)))
    return found


def refuse_few(pruning: Pruning, settings: int) -> None:
    """Raise AerunError where so few settings leave nothing to prune."""
    least = ENDED_FIRST + 1 if pruning.kind == MEDIAN else 2
    if settings < least:
        why = f": the median stops none before {ENDED_FIRST} have ended" if pruning.kind == MEDIAN else ""
        raise AerunError(
            f"search={pruning.kind}: {counted(settings, 'setting')}, so that there is nothing to prune{why}. Seeds of one "
            "setting are judged as one; sweep another one too, such as optimizer.lr=1e-3,3e-3,1e-2."
        )


def announced(pruning: Pruning, cfg: DictConfig, lengths: Collection[int | None]) -> list[str]:
    """Return in lines where the rungs are, and what else pruning changes."""
    if len(lengths) == 1 and (whole := next(iter(lengths))) is not None:
        at = ", ".join(str(pruning.epochs(rung, whole)) for rung in range(pruning.end))
        where = f"at {at} of {whole} epochs"
    else:
        where = f"at {', '.join(f'{share:.3g}' for share in pruning.shares)} of each job's training"
    rule = "at most the median of the others goes on" if pruning.kind == MEDIAN else f"one of {pruning.eta:g} goes on"
    lines = [f"search={pruning.kind}: by {pruning.objective}, {where}: {rule}"]
    return [*lines, "sweep.fuse: pruned jobs train one by one, so none is fused"] if fused(cfg) else lines


def clear_stale(folder: Path, changes: Mapping[str, Change]) -> None:
    """Remove what jobs were before they are trained anew: their figures would count among those of this command."""
    for name, change in changes.items():
        if change.kind == STALE:
            clear(folder / name)


def pruning_of_search(cfg: DictConfig, objectives: Any, place: Path | None) -> Pruning | None:
    """Return how a search is pruned, None where it is not. place: its folder, None for one that is new."""
    grid = read(place) if place is not None and place.is_dir() else None
    before = pruning_in(place, grid) if place is not None and grid is not None else None
    found = pruning_of(cfg, objectives, [cfg.trainer.get("max_epochs")], cfg.search.seeds, before)
    if found is not None:
        refuse_few(found, cfg.search.trials)
    return found
