"""What a run says at its end. What people typed, and what stands in files, is shown letter by letter, never read as markup."""

import math
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from aerun.core.console import Console, styled
from aerun.core.errors import AerunError
from aerun.core.paths import all_paths
from aerun.core.text import counted
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.evaluate.verdict import verdict
from aerun.inference.verbs import VERBS
from aerun.runs.epochs import ended_early, epochs_in_words
from aerun.runs.figures import higher_is_better
from aerun.runs.groups import selected
from aerun.runs.sizes import SIZE, sizes_of

_NAMED = 5  # jobs that failed for one reason and are named
_ANY_WIDTH = 1000  # columns of a table that is not to be folded
_FEW = 3  # files of data that are named

Job = tuple[list[str], Mapping[str, Any]]


def results(metrics: Mapping[str, Any], title: str, path: Path, source: str | Sequence[str] | None = None) -> None:
    """Print the model beside PCA of the same size and the training mean, on the test split.

    source: the file, the folder or the files of the data, where they are of the user's own.
    """
    console = Console(wide=100)
    table = Table()
    table.add_column("test split")
    for column in ("SE / sample", "MSE / element", "PSNR dB", "SE clamped"):
        table.add_column(column, justify="right")
    most = min(metrics["code_elements"], metrics["features"])
    components = int(metrics.get("pca/components", most))
    pca = f"PCA, {counted(components, 'component')}"
    for label, key in ((title.split(" ")[0], "test"), (pca, "pca"), ("training mean", "mean")):
        figures = (metrics[f"{key}/se"], metrics[f"{key}/mse"], metrics[f"{key}/psnr"], metrics[f"{key}/se_clamped"])
        table.add_row(label, f"{figures[0]:.4g}", f"{figures[1]:.4g}", f"{figures[2]:.2f}", f"{figures[3]:.4g}")
    console.say(title, style="bold")
    console.say(verdict(metrics), style="bold")
    console.print(table)
    console.say(_caption(metrics, path))
    if components < most:
        rows, kept = counted(metrics["samples/train"], "training sample"), counted(components, "component")
        words = f"{rows} determine{'s' * (metrics['samples/train'] == 1)} {kept}; the code has {most} numbers."
        console.print(f"PCA: {words}")
    console.say(f"run   {path}")
    console.say(f"see   tensorboard --logdir {shown_root(path)}")
    for i, line in enumerate(next_commands(metrics, path, source)):
        console.say(f"{'next' if i == 0 else '':<5} {line}")


# The verb for which a model of each task is made.
_USES = {
    "anomaly": "score",
    "denoising": "denoise",
    "inpainting": "inpaint",
    "compression": "compress",
    "held_out": "generate",
}


def next_commands(metrics: Mapping[str, Any], path: Path, source: str | Sequence[str] | None) -> list[str]:
    """Return commands that make sense now, with this run's own path and those of its data, where they are few."""
    run = shlex.quote(str(path))
    verb = _USES.get(str(metrics.get("task")), "score")
    first, _, rest = VERBS[verb].example.partition(" ")
    sources = all_paths(source)
    files = shlex.join(sources) if 0 < len(sources) <= _FEW else "FILE"
    words = f"{first if first.startswith('--') else files} {rest if verb != 'score' else '--top 10'}"
    if metrics.get("kind") == "table":
        words = {"inpaint": f"{files} --output full.csv", "denoise": f"{files} --output clean.csv"}.get(verb, words)
        words = words.replace("new.npz", "new.csv")
    trust = _trust(metrics)
    return [f"aerun evaluate {run}{trust}", f"aerun {verb} {run} {words}{trust}"]


def _trust(metrics: Mapping[str, Any]) -> str:
    """Return the words that a command needs for parts of one's own, with a space in front; nothing without any."""
    return "".join(f" --trust {shlex.quote(str(module))}" for module in metrics.get("own_modules") or ())


_ARROWS = {"max": "↑", "min": "↓", "": ""}


def application(name: str, outcome: Outcome) -> None:
    """Print one application's figures: a row for the model and each baseline, the best of every column in bold."""
    # deferred: completion needs no torch
    from aerun.evaluate import applications

    console = Console(wide=100)
    metrics = applications.metrics(name)
    table = _of_application(name, outcome, metrics)
    if Measurement.get(console, console.options.update(width=_ANY_WIDTH), table).maximum > console.width:
        table = _of_application(name, outcome, metrics, "_\n")  # headings in several lines are not cut
    console.print(f"{name}: {applications.summary(name)}", style="bold")
    console.print(table)
    console.say(outcome.note)


def _of_application(name: str, outcome: Outcome, metrics: Mapping[str, str], joint: str = "_") -> Table:
    """Return the table. joint: what stands in headings for an underscore."""
    columns = [m for m in metrics if any(m in row for row in outcome.figures.values())]
    table = Table()
    table.add_column(name, no_wrap=True)
    for metric in columns:
        table.add_column(f"{re.sub('_(?=[a-z])', joint, metric)} {_ARROWS[metrics[metric]]}".rstrip(), justify="right")
    for who in outcome.figures:
        table.add_row(who, *(_cell(outcome, who, metric, metrics[metric]) for metric in columns))
    return table


def _cell(outcome: Outcome, who: str, metric: str, better: str) -> str | Text:
    value = outcome.figures[who].get(metric)
    if value is None:
        return "-"
    others = [row[metric] for row in outcome.figures.values() if row.get(metric, math.nan) == row.get(metric)]
    best = better and others and value == (max if better == "max" else min)(others)
    deviation = outcome.spread.get(who, {}).get(metric)
    words = f"{value:.4g}" + ("" if deviation is None else f" ± {deviation:.2g}")
    return styled(words, "bold") if best else words


def sweep(finished: Sequence[Job], failed: Sequence[tuple[list[str], str]], folder: Path, objective: str) -> None:
    """Print one row a job, best objective first, named by what differs; then failures with their reasons."""
    everyone = [*(typed for typed, _ in finished), *(typed for typed, _ in failed)]
    common = {o for o in everyone[0] if all(o in typed for typed in everyone)}
    console = Console(wide=120)
    total = len(finished) + len(failed)
    table = Table()
    table.add_column("job")
    for column in (objective, "SE / sample", "PCA", "model / PCA"):
        table.add_column(column, justify="right")
    sign = -1 if higher_is_better(objective) else 1
    for typed, metrics in sorted(finished, key=lambda f: sign * float(f[1]["objective"])):
        model, baseline = metrics["test/se"], metrics["pca/se"]
        ratio = f"{model / baseline:.2f}" if not pca_is_exact(metrics) else "-"
        table.add_row(
            " ".join(o for o in typed if o not in common),
            f"{metrics['objective']:.4g}",
            f"{model:.4g}",
            f"{baseline:.4g}",
            ratio,
        )
    console.print(f"{len(finished)} of {total} jobs completed", style="bold")
    console.print(table)
    if words := _which_size(finished, folder):
        console.say(words)
    for reason, names in _causes(failed, common).items():
        console.say(f"not complete: {names}: {reason}", style="red")
    where(console, folder, _trust(finished[0][1]) if finished else "")


def _which_size(finished: Sequence[Job], folder: Path) -> str:
    """Return which size of code the sweep recommends; empty where no sizes were swept, or nothing can be said of them."""
    if len({o for typed, _ in finished for o in typed if o.lstrip("+").startswith(f"{SIZE}=")}) < 2:
        return ""
    try:
        _, keys, groups = selected([folder], [])
    except AerunError:  # of a folder that is damaged
        return ""
    sizes = sizes_of(groups, keys)
    return sizes.words() if sizes else ""


def _causes(failed: Sequence[tuple[list[str], str]], common: Collection[str]) -> dict[str, str]:
    """Return the reasons for which jobs are not complete, and which jobs each has: `5 jobs (a, b, c, ...)`.

    Reasons that differ in numbers alone are one; the first of them is shown.
    """
    jobs: dict[str, tuple[str, list[str]]] = {}
    for typed, reason in failed:
        alike = re.sub(r"\d[\d.,]*(e[+-]?\d+)?", "0", reason)
        jobs.setdefault(alike, (reason, []))[1].append(" ".join(o for o in typed if o not in common) or "the job")
    return {reason: _listed(names) for reason, names in jobs.values()}


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{len(names)} jobs ({'; '.join(names[:_NAMED])}{'; ...' if len(names) > _NAMED else ''})"


def where(console: Console, folder: Path, trust: str = "") -> None:
    """Say where a sweep's runs are, and how to look at them. trust: what commands that build their models need."""
    console.say(f"sweep {folder}\nsee   tensorboard --logdir {shown_root(folder / 'job')}")
    name = shlex.quote(str(folder))
    console.say(f"next  aerun compare {name}\n      aerun report {name}")
    more = "(curves, codes, errors; drawn are reconstructions)"
    console.say(f"      aerun evaluate {name}/*/{trust} --pictures default   {more}")


def _caption(metrics: Mapping[str, Any], path: Path) -> str:
    return (
        f"{metrics['samples/train']:,} training, {metrics['samples/val']:,} validation, "
        f"{metrics['samples/test']:,} test samples; {metrics['parameters']:,} parameters; "
        f"{_epochs(metrics, path)}; "
        f"{metrics['seconds/fit']:.1f} s of training, {metrics['seconds']:.1f} s in all"
    )


def _epochs(metrics: Mapping[str, Any], path: Path) -> str:
    """Return how long it trained, and where the best epoch is the last, or epochs are left, the command that trains longer."""
    words, best, epochs = epochs_in_words(metrics), metrics["best_epoch"] + 1, metrics["epochs"]
    longer = f"aerun resume {shlex.quote(str(path))}{_trust(metrics)} --epochs"
    if ended_early(metrics):
        return f"{words} (all: {longer} {metrics['planned_epochs']})"
    return f"{words}, the last, so longer may be better ({longer} {2 * epochs})" if best == epochs else words


def shown_root(path: Path) -> Path:
    """Return the outputs folder that holds this run, for TensorBoard."""
    for parent in path.parents:
        if parent.name == "outputs":
            return parent
    return path.parent
