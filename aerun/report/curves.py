"""Which curves a sweep can show: error against the size of the code, against lambda, and against what the code costs."""

import math
import statistics
from collections.abc import Sequence

from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.report.chart import Axis, Chart, Point, Series
from aerun.report.frontier import frontier
from aerun.report.names import named, typed
from aerun.runs.figures import cell
from aerun.runs.groups import BEGUN, Group
from aerun.runs.readable import readable
from aerun.runs.sizes import SIZE, Sizes, front, number, prefixes_of

LAMBDA = "reg.lambda"
_COSTS = {
    "codes/l0": "units in use per sample (L0)",
    "codes/kl": "KL of the posterior (nats per sample)",
    "compression/model/fine_bpp": "bits per element",
}
_ERROR = "test squared error per sample"
_SIZES = "numbers in the code (model.latent_dim)"
_BOUND = "Prefixes of a nested code share one decoder: their error is an upper bound on that of a model of the size alone."
_LINES = 8  # series in one chart; of more, the best
_WIDE = 8  # times that places across differ, from which on they are on a log scale
_STEEP = 20  # times that figures differ, from which on they are drawn on a log scale


def curves(
    groups: Sequence[Group], keys: Sequence[str], sizes: Sizes | None, measures: tuple[str, str] | None = None
) -> list[Chart]:
    """Return the charts that these settings allow.

    sizes: those that were swept. measures: two figures, of which every setting is drawn, too.
    """
    charts: list[Chart | None] = [two_figures(groups, keys, *measures)] if measures else []
    if SIZE in keys:
        charts.append(_against(groups, keys, SIZE, _SIZES, sizes))
    elif nested := _prefixes(groups, keys):
        charts.append(_chart_of_prefixes(groups, keys, nested))
    if LAMBDA in keys:
        charts.append(_against(groups, keys, LAMBDA, "weight of the regularizers, λ (reg.lambda)"))
        charts += [_trade_off(groups, keys, cost, words) for cost, words in _COSTS.items()]
    return [chart for chart in (*charts, frontier(groups, keys)) if chart]


def _against(groups: Sequence[Group], keys: Sequence[str], key: str, title: str, sizes: Sizes | None = None) -> Chart | None:
    """Test error over a numeric setting, one line for each choice of the others, PCA beside it."""
    at = list(keys).index(key)
    lines: dict[str, list[tuple[float, Group]]] = {}
    known = [(value, group) for group in groups if (value := number(group.settings[at])) is not None]
    above = [value for value, _ in known if value > 0]
    log = bool(above) and max(above) >= _WIDE * min(above) and all(value >= 0 for value, _ in known)
    for value, group in known:
        if value or not log:
            lines.setdefault(_others(group, keys, at), []).append((value, group))
    series = _series(list(lines.items())[:_LINES], keys, key)
    nested = _prefixes(groups, keys) if key == SIZE else []
    series += nested
    if not any(len(s.points) > 1 for s in series):
        return None
    places = sorted({p.x for s in series for p in s.points})
    marks: list[tuple[float, str]] = []
    if key == SIZE:
        pca = _pca(groups, at)
        series += [pca] if pca.points else []
        marks = [*_dimension(groups, at, places, sizes), *_recommended(sizes)]
    zero = log and any(value == 0 for value, _ in known)
    notes = [f"{key}=0 is in the table alone: a log scale has no place for it."] if zero else []
    notes += [f"Of {len(lines)} choices of the other settings, the best {_LINES}."] if len(lines) > _LINES else []
    notes += [_BOUND] if nested else []
    steep = _steep([p.y for s in series for p in s.points])
    return Chart(series, Axis(title, log), Axis(_ERROR, steep), f"Test error against {key}", marks, notes)


def _series(lines: Sequence[tuple[str, Sequence[tuple[float, Group]]]], keys: Sequence[str], key: str) -> list[Series]:
    """Return a line for each choice of the other settings, called by those in which the choices differ."""
    firsts = [some[0][1] for _, some in lines]
    alike = {k for i, k in enumerate(keys) if k == key or len({g.settings[i] for g in firsts}) == 1}
    return [
        Series(named(g, keys, alike) if len(lines) > 1 else "model", [_point(v, one, keys) for v, one in some], title=name)
        for g, (name, some) in zip(firsts, lines, strict=True)
    ]


def _prefixes(groups: Sequence[Group], keys: Sequence[str]) -> list[Series]:
    """Return the error of each size of nested codes, a line for each setting that has them."""
    nested = [(group, found) for group in groups if (found := prefixes_of(group))][:_LINES]
    return [
        Series(
            "prefixes of one nested run" if len(nested) == 1 else f"prefixes: {named(group, keys, set())}",
            [
                Point(size, se, 0.0, f"first {size} of {max(found)} units, {_run(group, keys)}: test squared error {se:.4g}")
                for size, (se, _) in found.items()
            ],
            title=f"prefixes of {typed(group, keys)}",
        )
        for group, found in nested
    ]


def _chart_of_prefixes(groups: Sequence[Group], keys: Sequence[str], series: Sequence[Series]) -> Chart:
    """Return the chart of nested codes where no other sizes were swept, with PCA of as many numbers, and models beside them."""
    alone = _alone(groups, keys)
    pca = {size: error for group in groups for size, (_, error) in prefixes_of(group).items() if math.isfinite(error)}
    points = [Point(x, y, 0.0, f"PCA of {x:g} numbers: test squared error {y:.4g}") for x, y in sorted(pca.items())]
    places = sorted({p.x for s in series for p in s.points})
    log = places[-1] >= _WIDE * places[0]
    steep = _steep([p.y for s in [*series, *alone] for p in s.points])
    both = [*series, *alone, Series("PCA of the same size", points, dashed=True)]
    return Chart(both, Axis(_SIZES, log), Axis(_ERROR, steep), "Test error against code size", [], [_BOUND])


def _alone(groups: Sequence[Group], keys: Sequence[str]) -> list[Series]:
    """Return the models of one size alone, the best few, each a point."""
    some = [g for g in groups if not prefixes_of(g) and math.isfinite(g.mean("latent_dim") + g.mean("test/se"))][:_LINES]
    return [
        Series(_called(g, keys, len(some) == 1), [_point(g.mean("latent_dim"), g, keys)], title=typed(g, keys)) for g in some
    ]


def _called(group: Group, keys: Sequence[str], only: bool) -> str:
    begun = ", begun with another run's weights" if any(run.config.get(BEGUN) for run in group.runs) else ""
    return f"{'that size alone' if only else named(group, keys, set())}{begun}"


def _steep(values: Sequence[float]) -> bool:
    finite = [v for v in values if math.isfinite(v)]
    return bool(finite) and 0 < _STEEP * min(finite) <= max(finite)


def _point(x: float, group: Group, keys: Sequence[str]) -> Point:
    deviation = group.deviation("test/se")
    words = f"{_run(group, keys)}: test squared error {cell(group, 'test/se')}"
    return Point(x, group.mean("test/se"), 0.0 if math.isnan(deviation) else deviation, words)


def _run(group: Group, keys: Sequence[str]) -> str:
    """Return a setting as it is typed, with the name of its run, or how many there are."""
    n = len(group.runs)
    return f"{typed(group, keys)} ({f'{n} seeds' if n > 1 else f'run {group.runs[0].path.name}'})"


def _pca(groups: Sequence[Group], at: int) -> Series:
    by: dict[float, list[float]] = {}
    for group in groups:
        value = number(group.settings[at])
        if value is not None and not pca_is_exact({k: group.mean(k) for k in ("pca/se", "mean/se")}):  # off every scale
            by.setdefault(value, []).append(group.mean("pca/se"))
    points = [
        Point(x, statistics.median(v), 0.0, f"PCA of {x:g} components: test squared error {statistics.median(v):.4g}")
        for x, v in sorted(by.items())
    ]
    return Series("PCA of the same size", points, dashed=True)


def _dimension(groups: Sequence[Group], at: int, places: Sequence[float], sizes: Sizes | None) -> list[tuple[float, str]]:
    """Return the data's own dimension, as the codes of the largest size show it, if that is on the chart.

    It is that of the recommendation, where there is one.
    """
    largest = [g for g in groups if number(g.settings[at]) == places[-1]]
    values = [v for g in largest if not math.isnan(v := g.mean("codes/dimension_mle"))]
    middle = sizes.dimension if sizes else statistics.median(values) if values else math.nan
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
    return two_figures(paid, keys, cost, "test/se", (words, _ERROR), f"Test error against {words}")


def two_figures(
    groups: Sequence[Group], keys: Sequence[str], across: str, up: str, words: tuple[str, str] | None = None, title: str = ""
) -> Chart:
    """Return one figure of every setting over another; the settings that nothing beats in both are joined."""
    best = front(groups, across, up)
    others = [g for g in groups if all(g is not b for b in best)]
    sides = [("best trade-offs: no setting is better in both", best), ("others", others)]
    points = [(name, [_place(g, keys, across, up) for g in side if _known(g, across, up)]) for name, side in sides]
    series = [Series(name, some, joined=name != "others") for name, some in points if some]
    names = words or (readable(across), readable(up))
    side, height = (Axis(n, _steep([g.mean(k) for g in groups])) for n, k in zip(names, (across, up), strict=True))
    return Chart(series, side, height, title or f"{up} against {across}")


def _known(group: Group, *figures: str) -> bool:
    return all(math.isfinite(group.mean(key)) for key in figures)


def _place(group: Group, keys: Sequence[str], across: str, up: str) -> Point:
    words = f"{_run(group, keys)}: {readable(across)} {cell(group, across)}, {readable(up)} {cell(group, up)}"
    return Point(group.mean(across), group.mean(up), 0.0, words)


def _others(group: Group, keys: Sequence[str], at: int) -> str:
    return " ".join(f"{k}={v}" for i, (k, v) in enumerate(zip(keys, group.settings, strict=True)) if i != at) or "model"
