"""What dictionaries explain against how many units they use, a line for each width, and where the knee of each line is."""

import math
from collections.abc import Sequence

from aerun.report.chart import Axis, Chart, Point, Series
from aerun.report.names import typed
from aerun.runs.figures import cell
from aerun.runs.groups import Group

L0, EV = "dictionary/model/l0", "dictionary/model/ev"
_PCA = ("dictionary/pca/l0", "dictionary/pca/ev")
_LEAST, _LINES = 4, 8  # places of a line that has a knee; lines


def frontier(groups: Sequence[Group], keys: Sequence[str]) -> Chart | None:
    """Return explained variance over L0; None where fewer than three settings were asked for it, or all have one L0.

    A line holds the settings of a width that no other of that width beats in both, fewer units and more explained.
    """
    known = [g for g in groups if g.mean(L0) > 0 and math.isfinite(g.mean(EV))]
    if len({g.mean(L0) for g in known}) < 3:
        return None
    widths = sorted({g.mean("latent_dim") for g in known if math.isfinite(g.mean("latent_dim"))})[:_LINES]
    lines = {width: _best([g for g in known if g.mean("latent_dim") == width]) for width in widths}
    drawn = [Series(f"{width:g} units", [_point(g, keys) for g in line]) for width, line in lines.items()]
    beaten = [g for g in known if all(g is not one for line in lines.values() for one in line)]
    if beaten:
        drawn.append(Series("others of the same widths", [_point(g, keys) for g in beaten], joined=False))
    notes = [words for width, line in lines.items() if (words := _knee(width, line, keys))]
    own = sorted({(g.mean(_PCA[0]), g.mean(_PCA[1])) for g in known if math.isfinite(g.mean(_PCA[1]))})
    if own:
        points = [Point(x, y, 0.0, f"PCA of {x:g} components: explained variance {y:.4g}") for x, y in own]
        drawn.append(Series("PCA of as many components", points, dashed=True))
    across = [p.x for one in drawn for p in one.points]
    side = Axis("units on for a test sample (L0)", max(across) >= 8 * min(across))
    return Chart(drawn, side, Axis("explained variance of test samples"), "Explained variance against L0", [], notes)


def _best(groups: Sequence[Group]) -> list[Group]:
    """Return those that no other beats, by their L0."""
    best, most = list[Group](), -math.inf
    for group in sorted(groups, key=lambda g: (g.mean(L0), -g.mean(EV))):
        if group.mean(EV) > most:
            best.append(group)
            most = group.mean(EV)
    return best


def _point(group: Group, keys: Sequence[str]) -> Point:
    deviation = group.deviation(EV)
    words = f"{typed(group, keys)}: L0 {cell(group, L0)}, explained variance {cell(group, EV)}"
    return Point(group.mean(L0), group.mean(EV), 0.0 if math.isnan(deviation) else deviation, words)


def knee(points: Sequence[tuple[float, float]]) -> int | None:
    """Return which of points (L0, ev), ascending in both, is furthest above the chord from the first to the last, over log L0.

    None of fewer than four, and where none is above it by a twentieth of what is gained in all: then no place stands out.
    """
    if len(points) < _LEAST:
        return None
    x, y = [math.log(p[0]) for p in points], [p[1] for p in points]
    above = [(b - y[0]) / (y[-1] - y[0]) - (a - x[0]) / (x[-1] - x[0]) for a, b in zip(x, y, strict=True)]
    best = max(range(len(points)), key=above.__getitem__)
    return best if above[best] >= 0.05 else None


def _knee(width: float, line: Sequence[Group], keys: Sequence[str]) -> str:
    points = [(g.mean(L0), g.mean(EV)) for g in line]
    if len(points) < _LEAST:
        return ""
    place = knee(points)
    if place is None:
        return f"{width:g} units: no knee; what a doubling of L0 gains hardly changes along the line."
    before, beyond = (_gain(points[a], points[b]) for a, b in ((0, place), (place, len(points) - 1)))
    l0, ev = points[place]
    return (
        f"{width:g} units: the knee is at L0 {l0:.3g} ({typed(line[place], keys)}), which explains {ev:.3f}: below it a "
        f"doubling of L0 gains {before:.3f} on average, beyond it {beyond:.3f}."
    )


def _gain(first: tuple[float, float], last: tuple[float, float]) -> float:
    """Return what a doubling of L0 gains from one point to another."""
    return (last[1] - first[1]) / math.log2(last[0] / first[0])
