"""The study of a search: Optuna's record of every trial, in a database that outlives the process."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from aerun.core.errors import AerunError
from aerun.core.text import note
from aerun.runs import files
from aerun.runs.figures import higher_is_better
from aerun.runs.lock import alone
from aerun.sweep.duplicates import UNCOUNTED, forget, points_in
from aerun.sweep.optuna import DATABASE, closed, distributions_of, opened, refuse_sampler, url_of
from aerun.sweep.space import Space, whole

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

LOCK = ".lock.study"  # held as long as a process is at work on the search
_FOLDER = "folder"  # kept with the study
_OURS = {"n_trials": "search.trials", "n_jobs": "search.at_once", "storage": "search.storage", "direction": "search.direction"}


@dataclass(frozen=True)
class Opened:
    """A study that this process has to itself, how many trials it is to have, and overrides to do what is left of them."""

    study: "Study"
    trials: int
    overrides: list[str]


@contextmanager
def studied(folder: Path, cfg: DictConfig, space: Space, hydra: Sequence[str]) -> Iterator[Opened]:
    """Open the study of a search; no other process has it until the block ends.

    Hydra: the overrides of Hydra's own that were typed. Raises AerunError where the study cannot be opened, or is another one.
    """
    distributions = distributions_of(space)
    trials = _trials(whole("search.trials", cfg.search.trials), points_in(distributions))
    at_once, directions = _at_once(cfg, space), _directions(cfg.search.direction, space.objectives)
    _refuse_typed(hydra)
    storage = cfg.search.storage
    url = url_of(storage, folder)
    for name in DATABASE if storage in (None, "journal") else ():
        if files.exists(folder, name):
            files.size(folder, name)  # which refuses a link
    with alone(folder, LOCK) as mine:
        if not mine:
            raise AerunError(f"{folder}: another process is at work on this search; sweep.jobs=N does N jobs at once.")
        study = opened(url, folder, directions, storage)
        try:
            _hold(study, folder, distributions, directions, storage)
            _take_up(study)
            yield Opened(study, trials, _overrides(study, url, trials, at_once, hydra))
        finally:
            closed(study)


def _trials(asked: int, points: int | None) -> int:
    """Return how many trials the study is to have: as asked, but no more than there are points to draw."""
    if points is None or asked <= points:
        return asked
    note(f"search.trials={asked}: there are {points} points to draw, and each is tried once")
    return points


def _at_once(cfg: DictConfig, space: Space) -> int:
    """Return points that are drawn before any of them is known: as asked, else as many as keep the jobs at work."""
    jobs = whole("sweep.jobs", cfg.sweep.jobs)
    asked = cfg.search.at_once
    return math.ceil(jobs / space.seeds) if asked is None else whole("search.at_once", asked)


def _overrides(study: "Study", url: str, trials: int, at_once: int, hydra: Sequence[str]) -> list[str]:
    """Return what tells Hydra's sweeper to do what is left of the study."""
    # deferred: the plugin that it is made of may not be installed
    from aerun.sweep.search import register

    more = {
        "hydra.sweeper._target_": register(),
        "hydra.sweeper.storage": f"'{url}'",
        "hydra.sweeper.study_name": f"'{study.study_name}'",
        "hydra.sweeper.direction": f"[{','.join(d.name.lower() for d in study.directions)}]",
        "hydra.sweeper.n_trials": max(0, trials - len(finished(study))),
        "hydra.sweeper.n_jobs": at_once,
        "hydra.sweeper.max_failure_rate": 1.0,
    }
    if not any(word.lstrip("+").startswith(("hydra.sweeper.sampler", "hydra/sweeper/sampler")) for word in hydra):
        more["hydra.sweeper.sampler.seed"] = len(study.trials)  # repeatable; another one where the study goes on
    return [f"{k}={v}" for k, v in more.items()]


def finished(study: "Study") -> list["FrozenTrial"]:
    """Return trials that count: complete or failed, but not those that were interrupted and begun anew."""
    gone = set(study.user_attrs.get(UNCOUNTED, ()))
    return [t for t in study.get_trials(deepcopy=False) if t.state.is_finished() and t.number not in gone]


def _take_up(study: "Study") -> None:
    """Put first what a killed process had begun: the same points again, whose jobs go on from their checkpoints."""
    from optuna.trial import TrialState

    begun = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    waiting = [t.system_attrs.get("fixed_params") for t in study.get_trials(deepcopy=False, states=(TrialState.WAITING,))]
    forget(study, *(t.number for t in begun))
    for trial in begun:
        point = trial.params or trial.system_attrs.get("fixed_params")  # the latter before it was given to a job
        if point and point not in waiting:
            study.enqueue_trial(point)
        study.tell(trial.number, state=TrialState.FAIL)


def _hold(study: "Study", folder: Path, distributions: Mapping[str, Any], directions: Sequence[str], asked: str | None) -> None:
    """Raise AerunError where the study of this name belongs to another folder, or cannot take this search's trials."""
    from optuna.distributions import check_distribution_compatibility

    here = str(folder.resolve())
    if asked is not None and study.user_attrs.get(_FOLDER, here) != here:
        raise AerunError(
            f"search.storage={asked}: has a study '{study.study_name}' already, of {study.user_attrs[_FOLDER]}. "
            "Choose another sweep=NAME."
        )
    study.set_user_attr(_FOLDER, here)
    if [d.name.lower() for d in study.directions] != list(directions):
        raise AerunError(f"{folder}: its study has other objectives. Choose another sweep=NAME.")
    for trial in study.get_trials(deepcopy=False):
        for key in trial.distributions.keys() & distributions.keys():
            try:
                check_distribution_compatibility(trial.distributions[key], distributions[key])
            except ValueError as e:
                raise AerunError(f"{key}: was drawn from something else in {folder} ({e}) Choose another sweep=NAME.") from e


def _directions(asked: Any, objectives: Sequence[str]) -> list[str]:
    """Return one for each objective: as its figure says, unless given."""
    if asked is None:
        return ["maximize" if higher_is_better(key) else "minimize" for key in objectives]
    directions = [asked] if isinstance(asked, str) else [str(d) for d in asked]
    if len(directions) != len(objectives) or not {"minimize", "maximize"}.issuperset(directions):
        raise AerunError(f"search.direction={asked}: minimize or maximize, one for each of {', '.join(objectives)}.")
    return directions


def _refuse_typed(hydra: Sequence[str]) -> None:
    for word in hydra:
        if word.lstrip("+").startswith("hydra/sweeper/sampler="):
            refuse_sampler(word.partition("=")[2])
        key = word.lstrip("+").partition("=")[0].removeprefix("hydra.sweeper.")
        if word.lstrip("+").startswith("hydra.sweeper.") and key in (*_OURS, "study_name"):
            raise AerunError(f"{word}: with search= this is {_OURS.get(key, 'sweep=NAME')}.")
