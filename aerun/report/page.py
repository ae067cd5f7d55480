"""The page, from top to bottom."""

import base64
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from aerun.core.version import __version__
from aerun.report.curves import curves
from aerun.report.style import CSS, SCRIPT
from aerun.report.words import answer, question
from aerun.runs.figures import cell, higher_is_better
from aerun.runs.groups import Group, Run, label, short
from aerun.runs.plain import picture

_PICTURES = 6  # settings whose reconstructions are shown


def page(
    name: str, groups: Sequence[Group], keys: Sequence[str], runs: Sequence[Run], figures: Sequence[str], sort: tuple[str, str]
) -> str:
    """HTML of complete groups, best first, and of all runs for what failed and what it cost.

    sort: key and name of the figure that ranks.
    """
    charts = curves(groups, keys)
    parts = [
        f"<h1>{escape(name)}</h1>",
        f"<p>{escape(question(groups, keys, runs))}</p>",
        '<section class="answer" aria-label="Answer">'
        + "".join(f"<p>{escape(s)}</p>" for s in answer(groups, keys, *sort))
        + "</section>",
        *([f'<h2>Curves</h2><div class="charts">{"".join(charts)}</div>'] if charts else []),
        "<h2>All settings</h2><p>Mean and standard deviation over seeds, best first. A head sorts.</p>",
        _table(groups, keys, figures, sort),
        _applications(groups, keys),
        _pictures(groups, keys),
        _failures(runs),
        _commands(groups, keys),
        _cost(runs),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{escape(name)}</title><style>{CSS}</style></head>\n'
        f"<body><main>{''.join(parts)}</main><script>{SCRIPT}</script></body></html>\n"
    )


def _table(groups: Sequence[Group], keys: Sequence[str], figures: Sequence[str], sort: tuple[str, str] | None = None) -> str:
    """A row for each setting; the figure that they are sorted by, or of an application any, says which way is better."""
    rows = []
    for group in groups:
        words = [f'<td class="word" data-value="{escape(s)}">{escape(short(s))}</td>' for s in group.settings]
        numbers = [f'<td data-value="{_number(group.mean(k))}">{cell(group, k)}</td>' for k in figures]
        rows.append("".join([*words, *numbers, f'<td data-value="{len(group.runs)}">{len(group.runs)}</td>']))
    arrows = {k: " ↑" if higher_is_better(n) else " ↓" for k, n in ([sort] if sort else zip(figures, figures, strict=True))}
    heads = [("word", k) for k in keys] + [("", k + arrows.get(k, "")) for k in figures] + [("", "seeds")]
    return _laid_out(heads, rows)


def _laid_out(heads: Sequence[tuple[str, str]], rows: Sequence[str]) -> str:
    top = "".join(f'<th scope="col" class="{c}"><button type="button">{escape(t)}</button></th>' for c, t in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="wide"><table class="sortable"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.8g}"


def _applications(groups: Sequence[Group], keys: Sequence[str]) -> str:
    """What `evaluate=` found: APPLICATION/WHO/METRIC, the model beside its baselines."""
    known = dict.fromkeys(k for g in groups for r in g.runs for k in r.results)
    found = [k for k in known if k.count("/") == 2 and "/model/" in k]
    parts = []
    for name in dict.fromkeys(k.split("/")[0] for k in found):
        mine = [k for k in found if k.startswith(f"{name}/")]
        baselines = sorted({k.split("/")[1] for k in known if k.startswith(f"{name}/") and k.count("/") == 2} - {"model"})
        columns = [c for k in mine for c in (k, *(k.replace("/model/", f"/{b}/") for b in baselines)) if c in known]
        parts.append(f"<h2>{escape(name)}</h2>{_table(groups, keys, columns)}")
    return "".join(parts)


def _pictures(groups: Sequence[Group], keys: Sequence[str]) -> str:
    shown = []
    for group in groups[:_PICTURES]:
        source = _embedded(group.runs[0].path)
        if source:
            words = escape(label(group, keys))
            shown.append(
                f'<figure><img src="{source}" alt="Reconstructions of {words}"><figcaption>{words}</figcaption></figure>'
            )
    if not shown:
        return ""
    return f'<h2>Reconstructions</h2><p>Best settings first, first seed.</p><div class="pictures">{"".join(shown)}</div>'


def _embedded(folder: Path) -> str:
    content = picture(folder, "pictures/reconstructions.png")
    return f"data:image/png;base64,{base64.b64encode(content).decode()}" if content else ""


def _failures(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        if not run.complete:
            rows.append(f'<li class="failed"><code>{escape(run.path.name)}</code>: {escape(run.unfinished)}</li>')
    return f"<h2>Not complete</h2><ul>{''.join(rows)}</ul>" if rows else ""


def _commands(groups: Sequence[Group], keys: Sequence[str]) -> str:
    parts = []
    for group in groups:
        lines = "".join(f"<li><code>{escape(run.command)}</code></li>" for run in group.runs)
        parts.append(f"<details><summary>{escape(label(group, keys))}</summary><ul>{lines}</ul></details>")
    return f"<h2>Commands that repeat every run</h2>{''.join(parts)}"


def _cost(runs: Sequence[Run]) -> str:
    seconds = [run.figure("seconds") for run in runs]
    total = sum(s for s in seconds if not math.isnan(s))
    first = next((r.results for r in runs if r.complete), {})
    versions = ", ".join(f"{k.removeprefix('versions/')} {v}" for k, v in first.items() if k.startswith("versions/"))
    machine = str(first.get("machine", "an unknown machine"))
    time = f"{total / 3600:.1f} h" if total > 5400 else f"{total / 60:.1f} min" if total > 90 else f"{total:.0f} s"
    return (
        f"<footer>{len(runs)} runs, {time} in all on {escape(machine)}. {escape(versions)}. "
        f"Made by aerun {__version__}.</footer>"
    )
