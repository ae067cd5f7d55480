"""What a sweep says at its end."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from aerun.core.console import Console
from aerun.core.errors import AerunError
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.report.terminal import look, trust_words
from aerun.runs.figures import higher_is_better
from aerun.runs.groups import selected
from aerun.runs.sizes import SIZE, sizes_of
from aerun.settings.shells import in_shell

_NAMED = 5  # jobs that failed for one reason and are named

Job = tuple[list[str], Mapping[str, Any]]


def sweep(
    finished: Sequence[Job],
    failed: Sequence[tuple[list[str], str]],
    folder: Path,
    objective: str,
    pruned: Sequence[list[str]] = (),
    remarks: Sequence[str] = (),
) -> None:
    """Print one row a job, best objective first, named by what differs; then failures with their reasons.

    pruned: jobs that stopped at a rung. remarks: lines on the sweep as a whole.
    """
    everyone = [*(typed for typed, _ in finished), *(typed for typed, _ in failed), *pruned]
    common = {o for o in everyone[0] if all(o in typed for typed in everyone)}
    console = Console(wide=120)
    total = len(everyone)
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
    more = f", {len(pruned)} pruned" if pruned else ""
    console.print(f"{len(finished)} of {total} jobs completed{more}", style="bold")
    console.print(table)
    if words := _which_size(finished, folder):
        console.say(words)
    for line in remarks:
        console.say(line)
    for reason, names in _causes(failed, common).items():
        console.say(f"not complete: {names}: {reason}", style="red")
    where(console, folder, trust_words(finished[0][1]) if finished else "")


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
    console.say(f"sweep {folder}\nsee   {look(folder / 'job')}")
    name = in_shell(str(folder))
    console.say(f"next  aerun compare {name}\n      aerun report {name}")
    more = "(curves, codes, errors; drawn are reconstructions)"
    console.say(f"      aerun evaluate {name}/*/{trust} --pictures default   {more}")
