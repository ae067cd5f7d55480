"""What the page holds, from top to bottom; templates/page.html.j2 is how it is laid out."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aerun.core.text import span
from aerun.core.version import __version__
from aerun.report.chart import FILTERS, Chart
from aerun.report.render import policy, rendered, script, style
from aerun.report.words import answer, question
from aerun.runs.figures import cell, higher_is_better
from aerun.runs.groups import Group, Run, label, short
from aerun.runs.plain import picture
from aerun.runs.sizes import Sizes

_PICTURES = 6  # settings whose reconstructions are shown


@dataclass(frozen=True)
class Cell:
    """words; value: what it is sorted by; kind: `word`, or empty for a number."""

    words: str
    value: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A row of cells for each setting, below their heads."""

    heads: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]


def page(
    name: str,
    groups: Sequence[Group],
    keys: Sequence[str],
    runs: Sequence[Run],
    figures: Sequence[str],
    sort: tuple[str, str],
    sizes: Sizes | None,
    charts: Sequence[Chart],
) -> str:
    """Return HTML of complete groups, best first, and of all runs for what failed and what it cost.

    sort: key and name of the figure that ranks. sizes: those that were swept.
    """
    return rendered(
        "page.html.j2",
        FILTERS,
        name=name,
        policy=policy(),
        style=style(),
        script=script(),
        question=question(groups, keys, runs),
        answer=answer(groups, keys, *sort, sizes),
        charts=charts,
        settings=_table(groups, keys, figures, sort),
        applications=_applications(groups, keys),
        pictures=_pictures(groups, keys),
        failures=[run for run in runs if not run.complete],
        commands=[{"label": label(group, keys), "commands": [run.command for run in group.runs]} for group in groups],
        cost=_cost(runs),
    )


def _table(groups: Sequence[Group], keys: Sequence[str], figures: Sequence[str], sort: tuple[str, str] | None = None) -> Table:
    """Return a row for each setting; the figure that they are sorted by, or of an application any, says which way is better."""
    rows = []
    for group in groups:
        words = [Cell(short(s), s, "word") for s in group.settings]
        numbers = [Cell(cell(group, k), _number(group.mean(k))) for k in figures]
        rows.append([*words, *numbers, Cell(str(len(group.runs)), str(len(group.runs)))])
    arrows = {k: " ↑" if higher_is_better(n) else " ↓" for k, n in ([sort] if sort else zip(figures, figures, strict=True))}
    heads = [*(Cell(k, kind="word") for k in keys), *(Cell(k + arrows.get(k, "")) for k in figures), Cell("seeds")]
    return Table(heads, rows)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.8g}"


def _applications(groups: Sequence[Group], keys: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return what `evaluate=` found: APPLICATION/WHO/METRIC, the model beside its baselines."""
    known = dict.fromkeys(k for g in groups for r in g.runs for k in r.results)
    figures = [k for k in known if k.count("/") == 2 and "/model/" in k]
    parts = list[Mapping[str, Any]]()
    for name in dict.fromkeys(k.split("/")[0] for k in figures):
        mine = [k for k in figures if k.startswith(f"{name}/")]
        baselines = sorted({k.split("/")[1] for k in known if k.startswith(f"{name}/") and k.count("/") == 2} - {"model"})
        columns = [c for k in mine for c in (k, *(k.replace("/model/", f"/{b}/") for b in baselines)) if c in known]
        asked = [g for g in groups if any(not math.isnan(r.figure(k)) for r in g.runs for k in mine)]
        parts.append({"name": name, "table": _table(asked, keys, columns)})
    return parts


def _pictures(groups: Sequence[Group], keys: Sequence[str]) -> list[Mapping[str, str]]:
    pictures: list[Mapping[str, str]] = [
        {"source": _embedded(group.runs[0].path), "words": label(group, keys)} for group in groups[:_PICTURES]
    ]
    return [picture for picture in pictures if picture["source"]]


def _embedded(folder: Path) -> str:
    content = picture(folder, "pictures/reconstructions.png")
    return f"data:image/png;base64,{base64.b64encode(content).decode()}" if content else ""


def _cost(runs: Sequence[Run]) -> Mapping[str, Any]:
    seconds = [run.figure("seconds") for run in runs]
    total = sum(s for s in seconds if not math.isnan(s))
    first = next((r.results for r in runs if r.complete), {})
    return {
        "runs": len(runs),
        "time": span(total),
        "machine": str(first.get("machine", "an unknown machine")),
        "versions": ", ".join(f"{k.removeprefix('versions/')} {v}" for k, v in first.items() if k.startswith("versions/")),
        "aerun": __version__,
    }
