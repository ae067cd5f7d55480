"""Hydra's Optuna sweeper, with several seeds a point and trials that may fail."""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from omegaconf import DictConfig, OmegaConf

from aerun.core.text import note
from aerun.settings.plugins import register_module
from aerun.sweep.budget import BudgetSpentError, stopped_short
from aerun.sweep.constraints import KEPT, MEASURED, SEEDS, in_words, of_trial, violations, worst
from aerun.sweep.duplicates import forget, without_repetition
from aerun.sweep.optuna import storage_of
from aerun.sweep.rung_jobs import Pruned
from aerun.sweep.space import space_of

_PLACE = "hydra_plugins._aerun"  # Hydra makes plugins of that package only, but a file there would act in every program
_AWARE = ("TPESampler", "NSGAIISampler", "NSGAIIISampler", "GPSampler")  # look at the constraints that a trial has
_NONE_YET = "No trials are completed yet"


class Search(OptunaSweeper):
    """Draws as the plugin does. What it draws, and from where on, is settled before it begins: see `aerun.sweep.study`."""

    __module__ = _PLACE

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Set up as every sweeper is."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.composed = config
        jobs = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)
        self.points = Points(jobs, config.search.seeds, bool(config.search.prune.kind))
        self.sweeper.launcher = self.points
        self.sweeper.storage = storage_of(str(config.hydra.sweeper.storage))
        self.sweeper.params = None  # they are among the arguments
        self.sweeper._configure_trials = partial(_configured, self.sweeper._configure_trials, self.points)  # type: ignore[method-assign]

    def sweep(self, arguments: list[str]) -> None:
        """Draw and launch until the study is complete."""
        space = space_of(self.composed, arguments)
        self.points.constraints = space.constraints
        if space.constraints:
            self.sweeper.sampler = _constrained(self.sweeper.sampler, self.composed.hydra.sweeper.sampler)
            if words := _unaware(self.sweeper.sampler, space.constraints):
                note(words)
        try:
            super().sweep(space.arguments())
        except BudgetSpentError:
            pass  # what was drawn last is taken up again by the next command
        except ValueError as e:
            if not str(e).startswith(_NONE_YET):  # the plugin asks for the best of none where all failed
                raise


def _constrained(sampler: Any, settings: DictConfig) -> Any:
    """Return a sampler as these settings make it, which knows of constraints; as it is where its kind or its settings do not.

    TPE, NSGA-II, NSGA-III and GP know of them; the others draw as without, see `_unaware`. From Optuna 5 on a
    trial itself has them.
    """
    # Deferred: Optuna is an extra.
    from optuna.trial import Trial

    if hasattr(Trial, "set_constraint"):
        return sampler
    kind, chosen = type(sampler), OmegaConf.to_container(settings, resolve=True)
    assert isinstance(chosen, dict)
    if "constraints_func" not in inspect.signature(kind).parameters or chosen.get("constraints_func") is not None:
        return sampler
    # Deferred: as that.
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of the argument
        return kind(**{str(k): v for k, v in chosen.items() if k != "_target_"} | {"constraints_func": of_trial})


def _unaware(sampler: Any, constraints: Mapping[str, float]) -> str:
    """Return what there is to say where a sampler draws without looking at constraints; empty where it looks."""
    kind = type(sampler)
    if kind.__name__ in _AWARE or "constraints_func" in inspect.signature(kind).parameters:
        return ""
    return (
        f"search.constraints: {kind.__name__} draws as without them: points that miss {in_words(constraints)} are trained as "
        "well, and none of them is recommended; hydra/sweeper/sampler=tpe draws by them"
    )


def _configured(
    configure: Callable[..., Any],
    points: "Points",
    trials: list[Any],
    distributions: Mapping[str, Any],
    *more: Any,
) -> Sequence[Sequence[str]]:
    """Return the overrides of trials; those that would repeat a point are replaced in the list."""
    for i, trial in enumerate(trials):
        trials[i] = without_repetition(trial, distributions, partial(forget, trial.study))
    points.trials = list(trials)
    points.tell_pruned()
    overrides: Sequence[Sequence[str]] = configure(trials, distributions, *more)
    return overrides


class Points(Launcher):
    """A launcher of points: each is run once a seed, and returns the mean of its objectives, or its failure.

    A point that is drawn twice at once is run once.
    """

    def __init__(self, jobs: Launcher, seeds: int, prunes: bool = False) -> None:
        self.jobs, self.seeds, self.prunes = jobs, seeds, prunes
        self.pruned = set[int]()  # numbers of trials
        self.trials: list[Any] = []  # of the points that are launched next
        self.constraints: Mapping[str, float] = {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Do nothing: the launcher of the jobs is set up already."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Return one return for each point."""
        points = [[(*point, *seed) for seed in self._seeds()] for point in job_overrides]
        rows = self._rows(points, initial_job_idx * self.seeds)
        for trial, of_seeds in zip(self.trials, rows, strict=False):
            self._keep(trial, of_seeds)
        return [_mean([self._objectives(row) for row in of_seeds]) for of_seeds in rows]

    def _rows(self, points: Sequence[Sequence[tuple[str, ...]]], first: int) -> list[list[Sequence[float]]]:
        """Return what each point came to for each seed. Of pruned points the first seed decides for the rest."""
        if not self.prunes or self.seeds == 1:
            by_job = self._launched([job for point in points for job in point], first)
            return [[by_job[job] for job in point] for point in points]
        by_job = self._launched([point[0] for point in points], first)
        on = [point for point in points if not _is_pruned(by_job[point[0]])]
        by_job |= self._launched([job for point in on for job in point[1:]], first + len(points))
        return [[by_job[job] for job in point if job in by_job] for point in points]

    def _launched(self, jobs: Sequence[tuple[str, ...]], first: int) -> dict[tuple[str, ...], Sequence[float]]:
        distinct = list(dict.fromkeys(jobs))
        returns = self.jobs.launch(distinct, first) if distinct else ()
        if stopped_short(distinct):
            raise BudgetSpentError
        return {job: _values(one) for job, one in zip(distinct, returns, strict=True)}

    def tell_pruned(self) -> None:
        """See to it that the study is told of pruned trials as such: the plugin knows complete and failed ones."""
        study = self.trials[0].study if self.trials else None
        if not self.prunes or study is None or isinstance(study.tell, partial):
            return
        study.tell = partial(_told, study.tell, self.pruned)

    def _objectives(self, row: Sequence[float]) -> Sequence[float]:
        """Return what a job returned without the figures of the constraints; a job that failed has none of them."""
        return row[: len(row) - len(self.constraints)] if len(row) > len(self.constraints) else row

    def _keep(self, trial: Any, rows: Sequence[Sequence[float]]) -> None:
        """Keep with a trial what it came to for each seed, and its constraints, unless it failed or was pruned."""
        if _is_pruned(rows[0]):
            self.pruned.add(trial.number)
            for epochs, value in rows[0][0].curve.items():  # type: ignore[attr-defined]
                trial.report(value, epochs)
            return
        if not all(math.isfinite(v) for row in rows for v in row):
            return
        trial.set_user_attr(SEEDS, [list(self._objectives(row)) for row in rows])
        if count := len(self.constraints):
            measured = worst(self.constraints, [row[-count:] for row in rows])
            trial.set_user_attr(MEASURED, measured)
            missed = violations(self.constraints, measured)
            trial.set_user_attr(KEPT, missed)
            if hasattr(trial, "set_constraint"):
                for key, value in zip(self.constraints, missed, strict=True):
                    trial.set_constraint(key, value)

    def _seeds(self) -> list[tuple[str, ...]]:
        return [(f"seed={n}",) for n in range(self.seeds)] if self.seeds > 1 else [()]


def _is_pruned(row: Sequence[float]) -> bool:
    return isinstance(row[0], Pruned)


def _told(tell: Callable[..., Any], pruned: Set[int], trial: Any, values: Any = None, state: Any = None, **more: Any) -> Any:
    """Say to a study what became of a trial; of those in `pruned` that they were."""
    if (trial if isinstance(trial, int) else trial.number) not in pruned:
        return tell(trial, values=values, state=state, **more)
    # Deferred: Optuna is an extra.
    from optuna.trial import TrialState

    return tell(trial, state=TrialState.PRUNED)


def _values(found: JobReturn) -> Sequence[float]:
    """Return what a job came to; NaN where it failed."""
    values = found.return_value if found.status == JobStatus.COMPLETED else math.nan
    return values if isinstance(values, tuple) else (values,)


def _mean(rows: Sequence[Sequence[float]]) -> JobReturn:
    """Return over seeds, of each objective.

    A failure where one of them failed, since the others' mean would be another point's.
    """
    means = tuple(math.fsum(column) / len(rows) for column in zip(*rows, strict=False))
    value = None if not all(map(math.isfinite, means)) else means if len(means) > 1 else means[0]
    return JobReturn(status=JobStatus.COMPLETED, _return_value=value)  # None is no value: the plugin then notes a failed trial


def register() -> str:
    """Make it known to this process's Hydra; its name there."""
    register_module(_PLACE, __name__)
    Plugins.instance().register(Search)
    return f"{_PLACE}.{Search.__name__}"
