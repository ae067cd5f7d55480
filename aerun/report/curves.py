"""Which curves a sweep can show: error against the size of the code, against lambda, and against what the code costs."""

import math
import statistics
from collections.abc import Sequence

from aerun.report.chart import Axis, Chart, Point, Series
from aerun.runs.figures import cell
from aerun.runs.groups import Group, label
from aerun.runs.sizes import SIZE, Sizes, front, number

LAMBDA = "reg.lambda"
_COSTS = {
    "codes/l0": "units in use a sample (L0)",
    "codes/kl": "KL of the posterior, nats",
    "compression/model/fine_bpp": "bits per element",
}
_LINES = 8  # series in one chart; of more, the best
_STEEP = 20  # times that errors differ, from which on they are drawn on a log scale


def curves(
    groups: Sequence[Group], keys: Sequence[str], sizes: Sizes | None, measures: tuple[str, str] | None = None
) -> list[Chart]:
    """Return the charts that these settings allow.

    sizes: those that were swept. measures: two figures, of which every setting is drawn, too.
    """
    charts: list[Chart | None] = [two_figures(groups, keys, *measures)] if measures else []
    if SIZE in keys:
        charts.append(_against(groups, keys, SIZE, "numbers in the code (model.latent_dim)", sizes))
    if LAMBDA in keys:
        charts.append(_against(groups, keys, LAMBDA, "weight of the regularizers (reg.lambda)"))
        charts += [_trade_off(groups, keys, cost, words) for cost, words in _COSTS.items()]
    return [chart for chart in charts if chart]


def _against(groups: Sequence[Group], keys: Sequence[str], key: str, title: str, sizes: Sizes | None = None) -> Chart | None:
    """Test error over a numeric setting, one line for each choice of the others, PCA beside it."""
    at = list(keys).index(key)
    lines: dict[str, list[Point]] = {}
    for group in groups:
        value = number(group.settings[at])
        if value is not None and (value > 0 or key != LAMBDA):
            lines.setdefault(_others(group, keys, at), []).append(_point(value, group, keys))
    series = [Series(name, points) for name, points in list(lines.items())[:_LINES]]
    if not any(len(s.points) > 1 for s in series):
        return None
    places = sorted({p.x for s in series for p in s.points})
    log = places[0] > 0 and places[-1] >= 8 * places[0]
    marks: list[tuple[float, str]] = []
    if key == SIZE:
        series.append(_pca(groups, at))
        marks = [*_dimension(groups, at, places), *_recommended(sizes)]
    errors = [p.y for s in series for p in s.points if math.isfinite(p.y)]
    steep = bool(errors) and 0 < _STEEP * min(errors) <= max(errors)
    return Chart(series, Axis(title, log), Axis("test squared error a sample", steep), f"Test error against {key}", marks)


def _point(x: float, group: Group, keys: Sequence[str]) -> Point:
    deviation = group.deviation("test/se")
    words = f"{' '.join(f'{k}={v}' for k, v in zip(keys, group.settings, strict=True))}: {cell(group, 'test/se')}"
    return Point(x, group.mean("test/se"), 0.0 if math.isnan(deviation) else deviation, words)


def _pca(groups: Sequence[Group], at: int) -> Series:
    by: dict[float, list[float]] = {}
    for group in groups:
        value = number(group.settings[at])
        if value is not None:
            by.setdefault(value, []).append(group.mean("pca/se"))
    points = [
        Point(x, statistics.median(v), 0.0, f"PCA of {x:g} components: {statistics.median(v):.4g}")
        for x, v in sorted(by.items())
    ]
    return Series("PCA of the same size", points, dashed=True)


def _dimension(groups: Sequence[Group], at: int, places: Sequence[float]) -> list[tuple[float, str]]:
    """Return the data's own dimension, as the codes of the largest size show it, if that is on the chart."""
    largest = [g for g in groups if number(g.settings[at]) == places[-1]]
    values = [v for g in largest if not math.isnan(v := g.mean("codes/dimension_mle"))]
    middle = statistics.median(values) if values else math.nan
    return [(middle, f"intrinsic dimension {middle:.1f}")] if places[0] <= middle <= places[-1] else []


def _recommended(sizes: Sizes | None) -> list[tuple[float, str]]:
    """Return the recommended size, unless it is the largest: then larger ones are worth a try, and there is none yet."""
    if sizes is None or sizes.recommended is sizes.sizes[-1]:
        return []
    which = f" ({sizes.others})" if sizes.others else ""
    return [(sizes.recommended.size, f"recommended: {sizes.recommended.size:g}{which}")]


def _trade_off(groups: Sequence[Group], keys: Sequence[str], cost: str, words: str) -> Chart | None:
    """Return error against what the code costs; None where too few settings have the cost."""
    paid = [group for group in groups if group.mean(cost) > 0]
    if len({group.mean(cost) for group in paid}) < 3:
        return None
    return two_figures(paid, keys, cost, "test/se", (words, "test squared error a sample"), f"Error against {words}")


def two_figures(
    groups: Sequence[Group], keys: Sequence[str], across: str, up: str, words: tuple[str, str] | None = None, title: str = ""
) -> Chart:
    """Return one figure of every setting over another; the settings that nothing beats in both are joined."""
    best = front(groups, across, up)
    sides = [("nothing is better in both", best), ("others", [g for g in groups if all(g is not b for b in best)])]
    points = [(name, [_place(g, keys, across, up) for g in side if _known(g, across, up)]) for name, side in sides]
    series = [Series(name, some, joined=name != "others") for name, some in points if some]
    names = words or (across, up)
    return Chart(series, Axis(names[0]), Axis(names[1]), title or f"{up} against {across}")


def _known(group: Group, *figures: str) -> bool:
    return all(math.isfinite(group.mean(key)) for key in figures)


def _place(group: Group, keys: Sequence[str], across: str, up: str) -> Point:
    words = f"{label(group, keys)}: {across} {cell(group, across)}, {up} {cell(group, up)}"
    return Point(group.mean(across), group.mean(up), 0.0, words)


def _others(group: Group, keys: Sequence[str], at: int) -> str:
    return " ".join(f"{k}={v}" for i, (k, v) in enumerate(zip(keys, group.settings, strict=True)) if i != at) or "model"
