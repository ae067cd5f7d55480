"""Figures of results.json: which ones are wanted, and whether more or less of one is better."""

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aerun.core.errors import AerunError, nearest

if TYPE_CHECKING:
    from aerun.runs.groups import Group, Run

_APPLICATIONS = Path(__file__).parents[1] / "evaluate" / "applications"
_UP = ("psnr", "psnr_mean", "ssim", "samples_per_second")


def higher_is_better(key: str) -> bool:
    """Return whether more of this figure is better: as its application says, else False, as for an error or a cost."""
    first, _, rest = key.partition("/")
    last = rest.rpartition("/")[2]
    metrics = _metrics(first) if rest else {}
    return metrics[last] == "max" if last in metrics else (last or first) in _UP


def arrow(key: str) -> str:
    """Return ↑ or ↓, where this figure is better; empty for one of an application that ranks nothing, such as a p-value."""
    first, _, rest = key.partition("/")
    metrics = _metrics(first) if rest else {}
    if metrics:
        return {"max": "↑", "min": "↓"}.get(metrics.get(rest.rpartition("/")[2], ""), "")
    return "↑" if higher_is_better(key) else "↓"


def _metrics(name: str) -> Mapping[str, str]:
    """Return the figures of an application by which it ranks, `max`, `min` or nothing each; else empty."""
    if not (name.isidentifier() and (_APPLICATIONS / f"{name}.py").is_file()):  # asked of the file: no torch for test/se
        return {}
    metrics: Mapping[str, str] = import_module(f"aerun.evaluate.applications.{name}").METRICS
    return metrics


def require_figures(keys: Iterable[str], runs: "Sequence[Run]") -> list[str]:
    """Return these keys as a list. Raises AerunError for one that no run has."""
    numbers = {k for run in runs for k in run.results if not math.isnan(run.figure(k))}
    for key in keys:
        if key not in numbers:
            raise AerunError(f"{key}: no run has such a figure{nearest(key, numbers)}; results.json of a run lists them all.")
    return list(keys)


_TASKS = {
    "anomaly": "anomaly/model/auroc",
    "imputation": "imputation/model/rmse_30",
    "denoising": "denoising/model/psnr",
    "inpainting": "inpainting/model/psnr",
    "compression": "compression/model/fine_bpp",
    "held_out": "held_out/model/nats",
}


def task_figure(task: str) -> str | None:
    """Return the figure that answers what runs for this task were made for; None where that is the error."""
    return _TASKS.get(task)


def others(runs: "Sequence[Run]") -> list[str]:
    """Return the objectives of these runs after their first."""
    return list(dict.fromkeys(key for run in runs for key in run.objectives[1:] if run.complete))


def of_task(runs: "Sequence[Run]") -> list[str]:
    """Return the figure that answers what these runs were made for, where they are for one task and have it."""
    done = [run for run in runs if run.complete]
    tasks = {str(run.results.get("task")) for run in done}
    key = _TASKS.get(tasks.pop()) if len(tasks) == 1 else None
    return [key] if key and all(math.isfinite(run.figure(key)) for run in done) else []


def main_figure(results: Mapping[str, Any]) -> str | None:
    """Return the figure that answers what a run was made for, else its error: the first of these that results have."""
    known = (_TASKS.get(str(results.get("task"))), "test/se", "val/mse", "val/loss")
    return next((k for k in known if k is not None and isinstance(results.get(k), int | float)), None)


def ranked(groups: "Iterable[Group]", key: str, name: str | None = None) -> "list[Group]":
    """Return the groups, best first; those without the figure come last.

    name: what the figure is, where its key does not say it.
    """
    sign = -1 if higher_is_better(name or key) else 1

    def place(group: "Group") -> tuple[bool, float]:
        mean = group.mean(key)
        return (math.isnan(mean), 0.0 if math.isnan(mean) else sign * mean)

    return sorted(groups, key=place)


def cell(group: "Group", key: str) -> str:
    """Return `mean ± deviation`, the mean alone for one seed or equal figures, or `-` where there is none."""
    mean, deviation = group.mean(key), group.deviation(key)
    if math.isnan(mean):
        return "-"
    return f"{mean:.4g}" if math.isnan(deviation) or deviation == 0 else f"{mean:.4g} ± {deviation:.2g}"
