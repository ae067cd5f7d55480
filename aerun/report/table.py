"""Tables of a page: a row for each setting, figures in columns of like decimals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aerun.runs.figures import arrow
from aerun.runs.groups import Group, short
from aerun.runs.readable import readable

_DIGITS = 4  # of the smallest figure of a column
_SMALL = 1e-5  # a figure below it is written with its power of ten
_SPAN = 100  # times that figures of a column differ, from which on each has digits of its own


@dataclass(frozen=True)
class Cell:
    """words; value: what it is sorted by; kind: `word`, `default`, or empty for a number; title: the full name."""

    words: str
    value: str = ""
    kind: str = ""
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A row of cells for each setting, below their heads. same: what all settings have in common, which is in no column.

    listed: a row is no setting and begins with what it is.
    """

    heads: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    same: Mapping[str, str] = field(default_factory=dict)
    listed: bool = False


def settings_table(groups: Sequence[Group], keys: Sequence[str], figures: Sequence[str], sort: tuple[str, str]) -> Table:
    """Return the figures of every setting. Those that do not differ are `same`. sort: key and name of the one that ranks.

    A row is a setting; where there is one alone, a figure.
    """
    columns = {k: _column(groups, k) for k in figures}
    varied = [k for k in figures if k == sort[0] or len(groups) < 2 or len({c.words for c in columns[k]}) > 1]
    same = {readable(k): columns[k][0].words for k in figures if k not in varied}
    name = sort[1] if sort[1] == sort[0] else f"objective: {readable(sort[1])}"
    heads = [_head(k, name if k == sort[0] else readable(k), sort[1] if k == sort[0] else "") for k in varied]
    if len(groups) == 1 and not keys:
        seeds = Cell("seeds", title="number of runs that differ in the seed alone")
        values = [*(columns[k] for k in varied), [Cell(str(len(groups[0].runs)))]]
        return _listed("figure", [Cell("value")], [*heads, seeds], values)
    return _table(groups, keys, heads, [columns[k] for k in varied], same)


def application_tables(groups: Sequence[Group], keys: Sequence[str]) -> Mapping[str, Table]:
    """Return what `evaluate=` computed for each application: APPLICATION/WHO/METRIC, the model beside its baselines.

    A row is a setting; where there is one alone, a measure, or the model and its baselines, whichever are more.
    """
    known = dict.fromkeys(k for g in groups for r in g.runs for k in r.results if k.count("/") == 2)
    mine = [k for k in known if "/model/" in k]
    tables = {}
    for name in dict.fromkeys(k.split("/")[0] for k in mine):
        metrics = [k.split("/")[2] for k in mine if k.startswith(f"{name}/")]
        others = sorted({k.split("/")[1] for k in known if k.startswith(f"{name}/")} - {"model"})
        figures = [k for m in metrics for who in ("model", *others) if (k := f"{name}/{who}/{m}") in known]
        asked = [g for g in groups if any(not math.isnan(r.figure(f"{name}/model/{m}")) for r in g.runs for m in metrics)]
        if len(groups) == 1 and not keys:
            tables[name.replace("_", " ")] = _crossed(asked, name, metrics, ["model", *others])
            continue
        heads = [_head(k, _beside(k), k) for k in figures]
        tables[name.replace("_", " ")] = _table(asked, keys, heads, [_column(asked, k) for k in figures])
    return tables


def _crossed(group: Sequence[Group], name: str, metrics: Sequence[str], who: Sequence[str]) -> Table:
    """Return the figures of one setting: who against measures, with as few columns as can be."""
    rows = [[_column(group, f"{name}/{one}/{metric}")[0] for metric in metrics] for one in who]
    measures = [_head(f"{name}/model/{m}", readable(f"model/{m}"), f"{name}/model/{m}") for m in metrics]
    names, of = [Cell("model" if one == "model" else readable(f"{one}/").strip(), title=one) for one in who], "codes"
    if len(who) < len(metrics):
        rows, measures, names, of = [list(row) for row in zip(*rows, strict=True)], names, measures, "measure"
    return _listed(of, measures, names, rows)


def _listed(of: str, heads: Sequence[Cell], names: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> Table:
    """Return a table whose rows have names of their own. of: what is named."""
    words = [replace(cell, kind="word") for cell in names]
    return Table([Cell(of, kind="word"), *heads], [[w, *row] for w, row in zip(words, rows, strict=True)], listed=True)


def _beside(key: str) -> str:
    _, who, metric = key.split("/")
    return f"model {readable(f'model/{metric}')}" if who == "model" else readable(f"{who}/{metric}")


def _head(key: str, words: str, ranks: str) -> Cell:
    """Return the head of a column, with an arrow to where it is better if it ranks or compares."""
    return Cell(f"{words} {arrow(ranks)}".rstrip() if ranks else words, title=key)


def _table(
    groups: Sequence[Group],
    keys: Sequence[str],
    heads: Iterable[Cell],
    columns: Sequence[Sequence[Cell]],
    same: Mapping[str, str] | None = None,
) -> Table:
    settings = [Cell(readable(k), kind="word", title=k) for k in keys]
    rows = [
        [*map(_setting, group.settings), *(column[i] for column in columns), Cell(str(n := len(group.runs)), str(n))]
        for i, group in enumerate(groups)
    ]
    return Table([*settings, *heads, Cell("seeds", title="number of runs that differ in the seed alone")], rows, same or {})


def _setting(value: str) -> Cell:
    return Cell(short(value), value, "word default" if value == "default" else "word", value)


def _column(groups: Sequence[Group], key: str) -> list[Cell]:
    """Return mean and deviation of every setting, with the decimals of the smallest where they are alike in size."""
    means = [g.mean(key) for g in groups]
    sizes = [abs(m) for m in means if math.isfinite(m) and m]
    decimals = None
    if sizes and max(sizes) < _SPAN * min(sizes) and min(sizes) > _SMALL:
        whole = all(m.is_integer() for m in sizes)
        decimals = 0 if whole else max(0, _DIGITS - 1 - math.floor(math.log10(min(sizes))))
    return [_figure(m, g.deviation(key), decimals) for m, g in zip(means, groups, strict=True)]


def _figure(mean: float, deviation: float, decimals: int | None) -> Cell:
    if math.isnan(mean):
        return Cell("-")
    words = f"{mean:.4g}" if decimals is None else f"{mean:.{decimals}f}"
    if not math.isnan(deviation) and deviation:
        small = decimals is not None and deviation >= 0.5 * 10.0**-decimals
        words += f" ± {deviation:.{decimals}f}" if small else f" ± {deviation:.2g}"
    return Cell(words, f"{mean:.8g}")
