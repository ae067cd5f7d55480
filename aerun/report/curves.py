"""Which curves a sweep can show: error against the size of the code, against lambda, and against what the code costs."""

import math
import statistics
from collections.abc import Sequence

from aerun.report.chart import Axis, Chart, Point, Series
from aerun.runs.figures import cell
from aerun.runs.groups import Group, natural

SIZE, LAMBDA = "model.latent_dim", "reg.lambda"
_COSTS = {
    "codes/l0": "units in use a sample (L0)",
    "codes/kl": "KL of the posterior, nats",
    "compression/model/fine_bpp": "bits per element",
}
_LINES = 8  # series in one chart; of more, the best


def curves(groups: Sequence[Group], keys: Sequence[str]) -> list[Chart]:
    """Return the charts that these settings allow."""
    charts = []
    if SIZE in keys:
        charts.append(_against(groups, keys, SIZE, "numbers in the code (model.latent_dim)"))
    if LAMBDA in keys:
        charts.append(_against(groups, keys, LAMBDA, "weight of the regularizers (reg.lambda)"))
        charts += [_trade_off(groups, keys, cost, words) for cost, words in _COSTS.items()]
    return [chart for chart in charts if chart]


def _against(groups: Sequence[Group], keys: Sequence[str], key: str, title: str) -> Chart | None:
    """Test error over a numeric setting, one line for each choice of the others, PCA beside it."""
    at = list(keys).index(key)
    lines: dict[str, list[Point]] = {}
    for group in groups:
        value = _value(group.settings[at])
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
        marks = _dimension(groups, at, places)
    return Chart(series, Axis(title, log), Axis("test squared error a sample"), f"Test error against {key}", marks)


def _point(x: float, group: Group, keys: Sequence[str]) -> Point:
    deviation = group.deviation("test/se")
    words = f"{' '.join(f'{k}={v}' for k, v in zip(keys, group.settings, strict=True))}: {cell(group, 'test/se')}"
    return Point(x, group.mean("test/se"), 0.0 if math.isnan(deviation) else deviation, words)


def _pca(groups: Sequence[Group], at: int) -> Series:
    by: dict[float, list[float]] = {}
    for group in groups:
        value = _value(group.settings[at])
        if value is not None:
            by.setdefault(value, []).append(group.mean("pca/se"))
    points = [
        Point(x, statistics.median(v), 0.0, f"PCA of {x:g} components: {statistics.median(v):.4g}")
        for x, v in sorted(by.items())
    ]
    return Series("PCA of the same size", points, dashed=True)


def _dimension(groups: Sequence[Group], at: int, places: Sequence[float]) -> list[tuple[float, str]]:
    """Return the data's own dimension, as the codes of the largest size show it, if that is on the chart."""
    largest = [g for g in groups if _value(g.settings[at]) == places[-1]]
    values = [v for g in largest if not math.isnan(v := g.mean("codes/dimension_mle"))]
    middle = statistics.median(values) if values else math.nan
    return [(middle, f"intrinsic dimension {middle:.1f}")] if places[0] <= middle <= places[-1] else []


def _trade_off(groups: Sequence[Group], keys: Sequence[str], cost: str, words: str) -> Chart | None:
    """Return error against what the code costs; what nothing beats in both is joined."""
    points = [
        Point(
            group.mean(cost),
            group.mean("test/se"),
            0.0,
            f"{' '.join(group.settings)}: {cell(group, cost)}, error {cell(group, 'test/se')}",
        )
        for group in groups
        if not math.isnan(group.mean(cost)) and group.mean(cost) > 0
    ]
    if len({p.x for p in points}) < 3:
        return None
    front = [p for p in points if not any(q.x <= p.x and q.y <= p.y and q != p for q in points)]
    rest = [p for p in points if p not in front]
    series = [Series("nothing is better in both", front), *([Series("others", rest, joined=False)] if rest else [])]
    return Chart(series, Axis(words), Axis("test squared error a sample"), f"Error against {words}")


def _others(group: Group, keys: Sequence[str], at: int) -> str:
    return " ".join(f"{k}={v}" for i, (k, v) in enumerate(zip(keys, group.settings, strict=True)) if i != at) or "model"


def _value(word: str) -> float | None:
    (first, *more) = natural(word) or ((1, 0.0, ""),)
    return first[1] if not more and first[0] == 0 and math.isfinite(first[1]) else None
