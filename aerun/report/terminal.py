"""What a run says at its end. What people typed, and what stands in files, is shown letter by letter, never read as markup."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from aerun.core.console import Console, styled
from aerun.core.paths import all_paths
from aerun.core.text import counted
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.verdict import verdict
from aerun.inference.verbs import VERBS
from aerun.runs.epochs import ended_early, epochs_in_words
from aerun.settings.shells import command_line, in_shell

_ANY_WIDTH = 1000  # columns of a table that is not to be folded
_FEW = 3  # files of data that are named


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
    pca, told = f"PCA, {counted(components, 'component')}", _told(metrics)
    baselines = [(f"{pca}, told {told}", "pca"), (pca, "pca_plain")] if told else [(pca, "pca")]
    for label, key in ((title.split(" ")[0], "test"), *baselines, ("training mean", "mean")):
        figures = (metrics[f"{key}/se"], metrics[f"{key}/mse"], metrics[f"{key}/psnr"], metrics[f"{key}/se_clamped"])
        table.add_row(label, f"{figures[0]:.4g}", f"{figures[1]:.4g}", f"{figures[2]:.2f}", f"{figures[3]:.4g}")
    console.say(title, style="bold")
    console.say(verdict(metrics), style="bold")
    console.print(table)
    console.say(_caption(metrics, path))
    if components < most:
        rows, kept = counted(metrics["samples/train"], "training sample"), counted(components, "component")
        words = f"{rows} determine{'s' * (metrics['samples/train'] == 1)} {kept}; the code has {most} numbers."
        if metrics.get("code_free", metrics["code_elements"]) == components:
            words = f"{kept}, as many as numbers of a code do not follow from the others; it has {most}."
        console.print(f"PCA: {words}")
    console.say(f"run   {path}")
    console.say(f"see   {look(path)}")
    for i, line in enumerate(next_commands(metrics, path, source)):
        console.say(f"{'next' if i == 0 else '':<5} {line}")


# The verb for which a model of each task is made.
_USES = {
    "anomaly": "score",
    "imputation": "impute",
    "denoising": "denoise",
    "inpainting": "inpaint",
    "compression": "compress",
    "held_out": "generate",
}


def next_commands(metrics: Mapping[str, Any], path: Path, source: str | Sequence[str] | None) -> list[str]:
    """Return commands that make sense now, with this run's own path and those of its data, where they are few."""
    run = in_shell(str(path))
    verb = _USES.get(str(metrics.get("task")), "score")
    first, _, rest = VERBS[verb].example.partition(" ")
    sources = all_paths(source)
    files = command_line(sources) if 0 < len(sources) <= _FEW else "FILE"
    words = f"{first if first.startswith('--') else files} {rest if verb != 'score' else '--top 10'}"
    if _told(metrics) and metrics.get("kind") != "table" and verb != "generate":
        words = f"{words} --condition {_told(metrics)}=VALUE"
    if metrics.get("kind") == "table":
        words = {"inpaint": f"{files} --output full.csv", "denoise": f"{files} --output clean.csv"}.get(verb, words)
        words = words.replace("new.npz", "new.csv")
    trust = trust_words(metrics)
    return [f"aerun evaluate {run}{trust}", f"aerun {verb} {run} {words}{trust}"]


def _told(metrics: Mapping[str, Any]) -> str:
    """Return the names of what encoder or decoder are told; empty where they are told nothing, but perhaps terms."""
    return str(metrics.get("told", "")).partition(" (")[0] if "pca_plain/se" in metrics else ""


def trust_words(metrics: Mapping[str, Any]) -> str:
    """Return the words that a command needs for parts of one's own, with a space in front; nothing without any."""
    return "".join(f" --trust {in_shell(str(module))}" for module in metrics.get("own_modules") or ())


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
    resume = f"aerun resume {in_shell(str(path))}{trust_words(metrics)}"
    longer = f"{resume} --epochs"
    if metrics.get("stopped"):
        return f"{words} (on: {resume} --time LONGER)"
    if ended_early(metrics):
        return f"{words} (all: {longer} {metrics['planned_epochs']})"
    return f"{words}, the last, so longer may be better ({longer} {2 * epochs})" if best == epochs else words


def look(run: Path) -> str:
    """Return the command that shows the outputs folder of this run, or else the run's parent, in TensorBoard."""
    root = next((parent for parent in run.parents if parent.name == "outputs"), run.parent)
    return f"tensorboard --logdir {in_shell(str(root))}"
