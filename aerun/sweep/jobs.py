"""The jobs of a grid, composed and checked before the first of them trains: every mistake of any job is told at once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from aerun.core.errors import AerunError, TrainingError, nearest
from aerun.core.logs import quiet_aerun
from aerun.core.text import say
from aerun.settings.borrowed import borrowed
from aerun.settings.explain import explain
from aerun.settings.overrides import refuse_idle_lambda
from aerun.settings.sources import Jobs
from aerun.sweep import idle
from aerun.sweep.derived import Derived
from aerun.sweep.idle import GridJob, key_of

_ALL = 100  # jobs that are all built; of more, as many as have every shape, and every value with every choice of options
_SHOWN = 10  # mistakes
_LAMBDA = "reg.lambda"


def jobs_of(jobs: Jobs, cfg: DictConfig, tasks: Sequence[str]) -> list[GridJob]:
    """Return the jobs of a grid that can be composed, settings that they do not have left out as sweep.idle says.

    Raises AerunError for an empty grid, and for all jobs that cannot be composed.
    """
    params = [f"{k}={v}" for k, v in (cfg.hydra.sweeper.params or {}).items()]
    parsed = jobs.parsed([*params, *tasks])
    _refuse_intervals(parsed)
    (lists,) = BasicSweeper.split_arguments(parsed, None)
    if not lists:
        raise AerunError(f"{' '.join(tasks)}: an empty grid: one of these has no value, such as range(3,3).")
    policy = str(cfg.sweep.idle)
    if policy not in idle.POLICIES:
        raise AerunError(f"sweep.idle={policy}: must be one of {', '.join(idle.POLICIES)}{nearest(policy, idle.POLICIES)}.")
    settings = Derived(jobs)
    found = [_composed(jobs, settings, typed) for typed in lists]
    useless = idle.unused(found)
    found = [_with_errors(job, useless) for job in found]
    refuse_mistakes([(job, job.error) for job in found if job.error], len(found))
    if policy == "error":
        idle.refuse(found)
    for line in (*jobs.left_out, *idle.table(found, policy)):
        say(line)
    return [_without_lambda(settings, job) for job in found]


def _refuse_intervals(parsed: Iterable[Override]) -> None:
    for one in parsed:
        if one.is_sweep_override() and isinstance(one.value(), IntervalSweep):
            key = one.get_key_element()
            raise AerunError(
                f"{one.input_line}: a grid wants values, such as {key}=1e-3,1e-2 or {key}=range(2,9); an interval is drawn "
                "from by a search: add search=own."
            )


def _composed(jobs: Jobs, settings: Derived, typed: Sequence[str]) -> GridJob:
    parsed = [str(o.input_line) for o in jobs.parsed(typed)]
    try:
        job = settings(typed)
    except (AerunError, HydraException, OmegaConfBaseException) as e:
        return GridJob(tuple(typed), {}, error=explain(e)[1])
    chosen = tuple(o for o in parsed if "." not in key_of(o) and key_of(o) in job.choices)
    absent, reg = list(job.idle), job.plain.get("reg")
    if isinstance(reg, dict) and not reg.get("terms"):
        absent += [o for o in parsed if key_of(o) == _LAMBDA and o not in absent]
    return GridJob(tuple(typed), job.plain, tuple(absent), chosen)


def _without_lambda(settings: Derived, job: GridJob) -> GridJob:
    """Return a job whose config is that of its run, where reg.lambda is left out; other idle settings never were in it."""
    if not any(key_of(o) == _LAMBDA for o in job.idle):
        return job
    return replace(job, config=settings([o for o in job.typed if o not in job.idle]).plain)


def _with_errors(job: GridJob, useless: set[str]) -> GridJob:
    """Return a job with its mistakes: a setting that no job has; reg.lambda that no job uses is none where it is zero."""
    if job.error:
        return job
    for override in job.idle:
        key = key_of(override)
        if key in useless and key != _LAMBDA:
            words = explain(ConfigCompositionException(f"Could not override '{key}'."))[1]
            return GridJob(job.typed, job.config, error=words)
    try:
        if _LAMBDA in useless:
            refuse_idle_lambda(dict(job.config), job.typed)
    except AerunError as e:
        return GridJob(job.typed, job.config, error=str(e))
    return GridJob(job.typed, job.config, tuple(o for o in job.idle if key_of(o) not in useless), job.chosen)


def refuse_mistakes(mistakes: Sequence[tuple[GridJob, str]], jobs: int) -> None:
    """Raise AerunError where there are mistakes: each is told once, with the jobs that it is of."""
    by_words: dict[str, list[GridJob]] = {}
    for job, words in mistakes:
        by_words.setdefault(words, []).append(job)
    if not by_words:
        return
    if len(by_words) == 1 and len(mistakes) == jobs:
        raise AerunError(next(iter(by_words)))
    lines = [f"{_of(found, jobs)}: {words}" for words, found in by_words.items()]
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    head = f"{len(mistakes)} of {jobs} jobs cannot be run, so none is begun."
    raise AerunError("\n".join([head, *(f"  {line}" for line in lines[:_SHOWN]), *more]))


def _of(found: Sequence[GridJob], jobs: int) -> str:
    first = " ".join(o for o in found[0].typed if not o.startswith("sweep."))
    return first if len(found) == 1 else "every job" if len(found) == jobs else f"{first} and {len(found) - 1} more"


def check(jobs: Sequence[GridJob], here: bool) -> None:
    """Build the models of these jobs without their weights. Raises AerunError with the mistakes of all.

    here: they are run on this machine; else data that are not here are no mistake.
    """
    seen, mistakes = dict[str, str](), list[tuple[GridJob, str]]()
    for job in jobs if len(jobs) <= _ALL else _covering(jobs):
        key = json.dumps({k: v for k, v in job.config.items() if k != "seed"}, sort_keys=True, default=str)
        if not (words := _bad_seed(job.config)):
            if key not in seen:
                seen[key] = _mistake(job.config, here)
            words = seen[key]
        if words:
            mistakes.append((job, words))
    refuse_mistakes(mistakes, len(jobs))


def _bad_seed(config: Mapping[str, Any]) -> str:
    """Return what is wrong with a job's seed, empty where nothing is: what else is the same is built once."""
    # deferred: completion needs no torch
    from aerun.core.checks import seed_of

    try:
        seed_of(config)
    except AerunError as e:
        return str(e)
    return ""


def _covering(jobs: Sequence[GridJob]) -> list[GridJob]:
    """Return jobs among which are all shapes of models, and every choice of options has every value of every setting."""
    seen, chosen = set[Any](), list[GridJob]()
    for job in jobs:
        new = {_shape(job.config), *((job.chosen, o) for o in job.typed)} - seen
        if new:
            chosen.append(job)
            seen |= new
    return chosen


def _shape(config: Mapping[str, Any]) -> str:
    """Return the settings that a model's shapes may follow: those of model, data and regularizers, fractions left out."""
    nodes = {k: _without_fractions(config.get(k)) for k in ("model", "dataset", "reg")}
    return json.dumps(nodes, sort_keys=True, default=str)


def _without_fractions(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(k): _without_fractions(v) for k, v in node.items()}
    return None if isinstance(node, float) else node


def _mistake(config: Mapping[str, Any], here: bool) -> str:
    """Return what is wrong with a job, empty where nothing is."""
    import torch

    # deferred: completion needs no torch
    from aerun.build import build, dataset_of
    from aerun.build.unweighted import build_unweighted

    try:
        with quiet_aerun(), torch.random.fork_rng(devices=[]):
            if not here and dataset_of(config).unavailable():
                return ""
            if config["model"].get("init_from") is not None or borrowed(config):  # whose weights are looked at
                build(config)
                return ""
            build_unweighted(config)
    except (AerunError, TrainingError, OSError) as e:
        return explain(e)[1]
    except Exception:  # what it is, the job says itself, with its log
        return ""
    return ""
