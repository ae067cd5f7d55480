"""Figures of results.json: which are wanted, and which way is better."""

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec

from aerun.core.errors import AerunError, nearest
from aerun.runs.groups import Group, Run

_UP = ("psnr", "psnr_mean", "ssim", "samples_per_second")


def higher_is_better(key: str) -> bool:
    """Is more of this figure better? As its application says; else error and cost: less is better."""
    first, _, rest = key.partition("/")
    last = rest.rpartition("/")[2]
    if rest and first.isidentifier() and find_spec(f"aerun.evaluate.applications.{first}") is not None:
        metrics = import_module(f"aerun.evaluate.applications.{first}").METRICS
        if last in metrics:
            return bool(metrics[last] == "max")
    return (last or first) in _UP


def require_figures(keys: Iterable[str], runs: Sequence[Run]) -> list[str]:
    """These keys. AerunError for one that no run has."""
    numbers = {k for run in runs for k in run.results if not math.isnan(run.figure(k))}
    for key in keys:
        if key not in numbers:
            raise AerunError(f"{key}: no run has such a figure{nearest(key, numbers)}; results.json of a run lists them all.")
    return list(keys)


def others(runs: Sequence[Run]) -> list[str]:
    """Return objectives of these runs behind their first."""
    return list(dict.fromkeys(key for run in runs for key in run.objectives[1:] if run.complete))


def ranked(groups: Iterable[Group], key: str, name: str | None = None) -> list[Group]:
    """Return best first; groups without the figure last. name: what the figure is, where its key does not say it."""
    sign = -1 if higher_is_better(name or key) else 1

    def place(group: Group) -> tuple[bool, float]:
        mean = group.mean(key)
        return (math.isnan(mean), 0.0 if math.isnan(mean) else sign * mean)

    return sorted(groups, key=place)


def cell(group: Group, key: str) -> str:
    """Return `mean ± deviation`, the mean alone of one seed or of equal figures, `-` of none."""
    mean, deviation = group.mean(key), group.deviation(key)
    if math.isnan(mean):
        return "-"
    return f"{mean:.4g}" if math.isnan(deviation) or deviation == 0 else f"{mean:.4g} ± {deviation:.2g}"
