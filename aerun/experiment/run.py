"""One run of an experiment: compose, train or take what is there, measure."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aerun import pictures
from aerun.build import Config, build, dataset_of
from aerun.core.paths import is_url
from aerun.experiment.measures import measure
from aerun.experiment.plan import Run
from aerun.inference.loading import trained
from aerun.runs.folder import Folder
from aerun.runs.lock import claimed
from aerun.runs.log import log_into
from aerun.runs.reuse import clear
from aerun.settings.overrides import config_of, resolved
from aerun.train import train

_FIGURES = "figures.json"


def composed(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the resolved config of a command line."""
    return resolved(config_of(overrides))


def missing(cfg: Config, whole: bool) -> str:
    """Return why this run cannot be done here: its files are not there. Empty where it can.

    whole: also build the rest of it, so that what is wrong is found; not for a run that begins with weights of one to come.
    """
    path = cfg["dataset"].get("path")
    if isinstance(path, str) and not is_url(path) and "*" not in path and not Path(path).exists():
        return f"dataset.path={path}: no such file"
    return build(cfg).dataset.unavailable() if whole else dataset_of(cfg).unavailable()


def perform(run: Run, cfg: Config, where: Path, command: str, fresh: bool) -> tuple[dict[str, float], bool]:
    """Return figures of one run in the folder `where`, and whether it was there already, complete and with the same config."""
    folder = Folder(where)
    reused = not fresh and folder.read().get("status") == "completed" and folder.holds(cfg)
    if not reused:
        with claimed(where):
            clear(where, pictures.names())
            with log_into(where):
                train(cfg, where, command, resume=False)
    results = folder.read()  # what is not finite stands there as null
    numbers = {k: math.nan if v is None else float(v) for k, v in results.items() if v is None or isinstance(v, int | float)}
    return {**numbers, **_measured(run, cfg, folder)}, reused


def _measured(run: Run, cfg: Config, folder: Folder) -> dict[str, float]:
    """Return what the run's measures say, kept in its folder as NAME/FIGURE; what is there is not asked again."""
    kept: dict[str, float] = folder.read(_FIGURES)
    wanted = [name for name in run.measures if not any(k.startswith(f"{name}/") for k in kept)]
    if wanted:
        model, _ = trained(folder.path, run.weights)
        for name in wanted:
            began = time.perf_counter()
            kept = {**kept, **{f"{name}/{k}": v for k, v in measure(name, model).items()}}
            kept[f"{name}/seconds"] = time.perf_counter() - began
        folder.write(_FIGURES, kept)
    return kept
