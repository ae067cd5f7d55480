"""Charts and tables of a sweep as files for a paper: svg, pdf and png; LaTeX, csv and Markdown."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.files import replace
from aerun.formats.cells import guarded
from aerun.pictures.canvas.style import MARKERS, chart
from aerun.report.chart import Chart, Series, colour_of
from aerun.runs.figures import cell
from aerun.runs.groups import Group, short
from aerun.runs.readable import in_words, readable

_WIDTH, _HEIGHT, _LINE = 3.5, 2.4, 0.15  # inches: one column of most journals; the axes, and a line of the legend below them
_FORMATS = ("svg", "pdf", "png")
_FONTS = {"pdf.fonttype": 42, "svg.fonttype": "none", "font.size": 8.0, "axes.titlesize": 8.0, "legend.fontsize": 7.0}
_TEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def write_figures(
    folder: Path, charts: Sequence[Chart], groups: Sequence[Group], keys: Sequence[str], figures: Sequence[str]
) -> list[str]:
    """Write each chart and the table of settings into `folder`; return the names. AerunError where it cannot be written."""
    heads, rows = [*map(readable, keys), *map(readable, figures), "seeds"], _rows(groups, figures)
    files: dict[str, str | bytes] = {
        "settings.tex": latex(heads, rows, len(keys)),
        "settings.csv": _csv(heads, rows),
        "settings.md": markdown(heads, rows, len(keys)),
    }
    for one in charts:
        name = re.sub(r"\W+", "_", in_words(one.title.replace(" against ", " "), ()).lower()).strip("_")
        files |= {f"{name}.{kind}": content for kind, content in _drawn(one, keys).items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            replace(folder / name, content)
    except OSError as e:
        raise AerunError(f"--figures {folder}: {e.strerror or e}.") from e
    return list(files)


def _rows(groups: Sequence[Group], figures: Sequence[str]) -> list[list[str]]:
    return [[*map(short, g.settings), *(cell(g, k) for k in figures), str(len(g.runs))] for g in groups]


def latex(heads: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """Return a tabular with the rules of booktabs; the first `words` columns are text, the others numbers."""
    lines = [" & ".join(map(_tex, row)) + r" \\" for row in (heads, *rows)]
    columns = "l" * words + "r" * (len(heads) - words)
    body = ["% \\usepackage{booktabs}", f"\\begin{{tabular}}{{{columns}}}", "\\toprule", lines[0], "\\midrule", *lines[1:]]
    return "\n".join([*body, "\\bottomrule", "\\end{tabular}", ""])


def _tex(words: str) -> str:
    return "".join(_TEX.get(c, c) for c in words).replace("±", r"$\pm$")


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """Return a table of Markdown; the first `words` columns are text, the others numbers."""
    rule = ["---" if i < words else "---:" for i in range(len(heads))]
    return "".join(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in row)} |\n" for row in (heads, rule, *rows))


def _csv(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([list(map(guarded, row)) for row in (heads, *rows)])
    return text.getvalue()


def _drawn(one: Chart, keys: Sequence[str]) -> dict[str, bytes]:
    """Return the chart in every format; its words are letters in svg and pdf, so that they can be searched and restyled."""
    with chart(width=_WIDTH, height=_HEIGHT + _LINE * (len(one.series) + len(one.lines)), fonts=_FONTS) as (figure, (axes,)):
        for i, series in enumerate(one.series):
            _draw(axes, series, i, keys)
        for place, words in one.lines:
            axes.axvline(place, color="#444444", linestyle=":", linewidth=1.0, label=in_words(words, keys))
        _scale(axes, one)
        figure.legend(loc="outside lower center")
        return {kind: _saved(figure, kind) for kind in _FORMATS}


def _draw(axes: Any, series: Series, i: int, keys: Sequence[str]) -> None:
    points = sorted(series.points, key=lambda p: p.x)
    style = {"linestyle": ("--" if series.dashed else "-") if series.joined else "none", "color": colour_of(series, i)}
    bars = [p.bar for p in points] if any(p.bar for p in points) else None
    axes.errorbar(
        [p.x for p in points], [p.y for p in points], bars,
        marker=MARKERS[i % len(MARKERS)], markersize=4, capsize=2, label=in_words(series.name, keys), **style,
    )  # fmt: skip


def _scale(axes: Any, one: Chart) -> None:
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    if one.across.log:
        axes.set_xscale("log")
        axes.set_xticks(one.ticks_across)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
    if one.up.log:
        axes.set_yscale("log")
        axes.set_yticks(one.ticks_up)
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(re.sub(r" \([\w.]+\)$", "", one.across.title))
    axes.set_ylabel(one.up.title)


def _saved(figure: Any, kind: str) -> bytes:
    file = io.BytesIO()
    figure.savefig(
        file, format=kind, dpi=300, metadata=None if kind == "png" else {"Date" if kind == "svg" else "CreationDate": None}
    )
    return file.getvalue()
