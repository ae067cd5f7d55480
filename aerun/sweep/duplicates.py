"""A search spends no trial on a point that it has drawn before: the nearest point that it has not takes its place."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

UNCOUNTED = "interrupted"  # kept with the study: trials that were begun anew, or would have repeated a point
_MOST = 100_000  # points of a space that is looked through; in larger ones a repeated point is rare


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
    """Return the point that is nearest to `point` and is not in `drawn`; None where there is none, or the space is too large.

    The distance of two points is that of the places of their values among all values, as a share of their number, squared and
    summed; numbers on a log scale are as far apart as their logarithms.
    """
    if (points_in(distributions) or math.inf) > _MOST:
        return None
    scales = {k: _places(d) for k, d in distributions.items()}
    known = {tuple(p.get(k) for k in distributions) for p in drawn}
    free = (p for p in itertools.product(*(scale for scale in scales.values())) if p not in known)
    at = {k: scales[k].get(point[k], 0.0) for k in distributions}
    best = min(free, default=None, key=lambda p: sum((scales[k][v] - at[k]) ** 2 for k, v in zip(scales, p, strict=True)))
    return None if best is None else dict(zip(scales, best, strict=True))


def _places(distribution: Any) -> dict[Any, float]:
    """Map each value to its place between 0 and 1."""
    values = list(values_of(distribution) or ())
    scale = [math.log(v) for v in values] if getattr(distribution, "log", False) else list(range(len(values)))
    span = (scale[-1] - scale[0]) or 1
    return {v: (s - scale[0]) / span for v, s in zip(values, scale, strict=True)}


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

    study.tell(trial.number, state=TrialState.FAIL)
    forget(trial.number)
    study.enqueue_trial(new)
    taken = study.ask()
    for name, distribution in distributions.items():
        taken._suggest(name, distribution)
    return taken
