"""A search spends no trial on a point that it has drawn before: the nearest point that it has not takes its place."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aerun.core.text import say

UNCOUNTED = "interrupted"  # kept with the study: trials that were begun anew, or would have repeated a point
_MOST = 10_000  # points of a space that is looked through


def values_of(distribution: Any) -> Sequence[Any] | None:
    """Return the values that a distribution of Optuna's can take, in order; None where they are not finitely many."""
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        return list(choices)
    low, high, step = distribution.low, distribution.high, distribution.step
    if type(distribution).__name__ == "IntDistribution":
        return range(low, high + 1, step)
    if step is None:
        return [low] if low == high else None
    return [low + i * step for i in range(math.floor((high - low) / step + 1e-9) + 1)]


def points_in(distributions: Mapping[str, Any]) -> int | None:
    """Return how many points a space has; None where they are not finitely many."""
    values = [values_of(d) for d in distributions.values()]
    return None if any(v is None for v in values) else math.prod(len(v) for v in values if v is not None)


def nearest_new(
    distributions: Mapping[str, Any], point: Mapping[str, Any], drawn: Collection[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return the point that is nearest to `point` and is not in `drawn`; None where there is none, or points are not counted.

    The distance of two points is that of the places of their values among all values, as a share of their number, squared and
    summed; numbers on a log scale are as far apart as their logarithms. In a large space it is looked for among the values
    beside those of `point`, as many as must hold a new one.
    """
    total = points_in(distributions)
    if total is None:
        return None
    known = {tuple(p.get(k) for k in distributions) for p in drawn}
    values = {k: values_of(d) or () for k, d in distributions.items()}
    near = values if total <= _MOST else _beside(values, point, len(known))
    free = (p for p in itertools.product(*near.values()) if p not in known)

    def away(other: Sequence[Any]) -> float:
        return sum(
            (_place(distributions[k], values[k], v) - _place(distributions[k], values[k], point[k])) ** 2
            for k, v in zip(values, other, strict=True)
        )

    best = min(free, default=None, key=away)
    return None if best is None else dict(zip(distributions, best, strict=True))


def _beside(values: Mapping[str, Sequence[Any]], point: Mapping[str, Any], known: int) -> dict[str, Sequence[Any]]:
    """Return of each setting values around that of `point`, in all more points than are known."""
    for reach in itertools.count(1):
        found, size = dict[str, Sequence[Any]](), 1
        for key, every in values.items():
            at = every.index(point[key])
            found[key] = every[max(0, at - reach) : at + reach + 1] if size <= known else [point[key]]
            size *= len(found[key])
        if size > known:
            return found
    raise AssertionError


def _place(distribution: Any, values: Sequence[Any], value: Any) -> float:
    """Return the place of a value among all, between 0 and 1."""
    log, last = getattr(distribution, "log", False), len(values) - 1
    at, low, high = (value, values[0], values[-1]) if log else (values.index(value), 0, last)
    if log:
        at, low, high = math.log(at), math.log(low), math.log(high)
    return float((at - low) / ((high - low) or 1))


def forget(study: Any, *numbers: int) -> None:
    """Keep with the study that these trials do not count."""
    study.set_user_attr(UNCOUNTED, sorted({*study.user_attrs.get(UNCOUNTED, []), *numbers}))


def without_repetition(trial: Any, distributions: Mapping[str, Any], forget: Any) -> Any:
    """Return the trial with its parameters drawn, or another in its place where these were drawn before.

    trial: Optuna's, just asked for. forget: called with the number of a trial that does not count.
    """
    for name, distribution in distributions.items():
        trial._suggest(name, distribution)
    study = trial.study
    others = [t.params for t in study.get_trials(deepcopy=False) if t.number != trial.number and t.params]
    if trial.params not in others:
        return trial
    new = nearest_new(distributions, trial.params, others)
    if new is None:
        return trial
    # Deferred: Optuna is an extra.
    from optuna.trial import TrialState

    say(f"drawn before: {_words(trial.params)}; in its place {_words(new)}, the nearest that is new")
    study.tell(trial.number, state=TrialState.FAIL)
    forget(trial.number)
    study.enqueue_trial(new)
    taken = study.ask()
    for name, distribution in distributions.items():
        taken._suggest(name, distribution)
    return taken


def _words(point: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in point.items())
