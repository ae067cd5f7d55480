"""What the page holds, from top to bottom; templates/page.html.j2 is how it is laid out."""

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aerun.core.text import counted, span
from aerun.core.version import __version__
from aerun.report.chart import FILTERS, Chart
from aerun.report.glossary import terms
from aerun.report.names import named
from aerun.report.render import policy, rendered, script, style
from aerun.report.table import application_tables, settings_table
from aerun.report.words import answer, question
from aerun.runs.groups import Group, Run, label, tried
from aerun.runs.plain import picture
from aerun.runs.sizes import Sizes

_PICTURES = 6  # settings whose reconstructions are shown


def page(
    name: str,
    groups: Sequence[Group],
    keys: Sequence[str],
    runs: Sequence[Run],
    figures: Sequence[str],
    sort: tuple[str, str],
    sizes: Sizes | None,
    charts: Sequence[Chart],
    limits: str = "",
    pruning: Sequence[str] = (),
) -> str:
    """Return HTML of complete groups, best first, and of all runs for what failed and what it cost.

    sort: key and name of the figure that ranks. sizes: those that were swept. limits: how many hold a search's constraints.
    pruning: what it saved and risked.
    """
    settings, applications = settings_table(groups, keys, figures, sort), application_tables(groups, keys)
    heads = [head.words for one in (settings, *applications.values()) for head in one.heads]
    said = [*([limits] if limits else []), *answer(groups, keys, *sort, sizes, tried(runs, keys)), *pruning]
    return rendered(
        "page.html.j2",
        FILTERS,
        name=name,
        policy=policy(),
        style=style(),
        script=script(),
        question=question(groups, keys, runs),
        answer=said,
        charts=charts,
        settings=settings,
        applications=applications,
        pictures=_pictures(groups, keys),
        failures=_failures([run for run in runs if not run.pruned]),
        pruned=_failures([run for run in runs if run.pruned]),
        commands=[_names(group, keys) | {"commands": [run.command for run in group.runs]} for group in groups],
        terms=terms([*said, *heads, *settings.same, *(words for chart in charts for words in chart.words)]),
        cost=_cost(runs),
    )


def _names(group: Group, keys: Sequence[str]) -> dict[str, Any]:
    """Return what a setting is called in words, and in full."""
    return {"label": named(group, keys), "title": label(group, keys)}


def _failures(runs: Sequence[Run]) -> Mapping[str, list[str]]:
    """Return the names of the runs that are not complete, by the reason."""
    reasons: dict[str, list[str]] = {}
    for run in runs:
        if not run.complete:
            reasons.setdefault(run.unfinished, []).append(run.path.name)
    return reasons


def _pictures(groups: Sequence[Group], keys: Sequence[str]) -> list[Mapping[str, str]]:
    pictures = [_names(group, keys) | {"source": _embedded(group.runs[0].path)} for group in groups[:_PICTURES]]
    return [picture for picture in pictures if picture["source"]]


def _embedded(folder: Path) -> str:
    content = picture(folder, "pictures/reconstructions.png")
    return f"data:image/png;base64,{base64.b64encode(content).decode()}" if content else ""


def _cost(runs: Sequence[Run]) -> Mapping[str, Any]:
    seconds = [run.figure("seconds") for run in runs]
    total = sum(s for s in seconds if not math.isnan(s))
    first = next((r.results for r in runs if r.complete), {})
    return {
        "runs": counted(len(runs), "run"),
        "time": span(total),
        "machine": str(first.get("machine", "an unknown machine")),
        "versions": ", ".join(f"{k.removeprefix('versions/')} {v}" for k, v in first.items() if k.startswith("versions/")),
        "aerun": __version__,
    }
