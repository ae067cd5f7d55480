"""Where charts have their marks, ticks and words. Pages and figures draw them."""

from itertools import pairwise

import numpy as np
import pytest

from aerun.report.chart import BASELINE, Axis, Chart, Point, Series, colour_of
from aerun.report.marks import SHAPES
from aerun.report.ticks import apart, ticks

VALUES = [[7.98, 7.99, 8.0, 62.1, 65.9, 66.0], [2, 4, 8, 16, 32], list(range(1, 60)), [1e-5, 1e-4, 1e-3]]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("log", [False, True])
def test_words_of_ticks_do_not_touch(values, log):
    chart = Chart([Series("one", [Point(v, v, 0.0, "") for v in values])], Axis("x", log), Axis("y", log), "title")
    assert len(chart.ticks_across) > 1
    assert len(chart.ticks_up) > 1
    for a, b in pairwise(chart.ticks_across):
        assert chart.x(b) - chart.x(a) > 10 * (len(f"{a:g}") + len(f"{b:g}")) / 2


def test_narrow_log_axes_have_ticks():
    assert len(ticks((np.log10(1.45), np.log10(1.9)), True)) > 2
    assert apart([1.0, 1.001, 2.0], lambda v: 100 * v) == [1.0, 2.0]


def test_words_of_vertical_lines_are_below_each_other_and_inside():
    points = [Point(x, 1.0, 0.0, "") for x in (1, 10)]
    chart = Chart([Series("one", points)], Axis("x"), Axis("y"), "title", [(9.5, "one"), (9.6, "two"), (2, "three")])
    assert [m.anchor for m in chart.marks] == ["end", "end", "start"]
    assert all(b.words_y - a.words_y >= 20 for a, b in pairwise(chart.marks))
    assert chart.marks[-1].words_y < chart.top


def test_series_differ_in_mark_and_colour_and_pca_is_always_alike():
    series = [Series(str(i), []) for i in range(7)]
    assert len({colour_of(s, i) for i, s in enumerate(series)} | {BASELINE}) == 8
    assert {colour_of(Series("PCA", [], dashed=True), i) for i in range(8)} == {BASELINE}
    assert len(set(SHAPES)) == 8
