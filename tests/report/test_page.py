"""The page as it is laid out: linked, labelled, with full names, and readable on a phone, in the dark and by keyboard."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from aerun.report.chart import BASELINE, Axis, Chart, Point, Series, colour_of
from aerun.report.glossary import terms
from aerun.report.marks import SHAPES
from aerun.report.names import named, typed
from aerun.report.table import settings_table
from aerun.report.ticks import apart, ticks
from aerun.runs.groups import columns, gather, grouped
from tests.browser import CHROMIUM, axe, page
from tests.command.test_compare import N, made
from tests.shell import here

LONG = "a_model_of_a_name_that_is_longer_than_any_line_of_a_phone_can_hold_<b>"


class Elements(HTMLParser):
    """Every element with its attributes, in order, and the text directly in it."""

    def __init__(self, text):
        super().__init__()
        self.all, self.inside = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs), []))
        self.inside = True

    def handle_endtag(self, tag):
        self.inside = False

    def handle_endtag(self, tag):
        self.all.append(("", {}, []))

    def handle_data(self, data):
        if self.inside:
            self.all[-1][2].append(data)

    def such(self, tag, name=None):
        """The attributes and the text of elements of a tag, with a class."""
        return [
            (a, "".join(t)) for kind, a, t in self.all if kind == tag and (not name or name in (a.get("class") or "").split())
        ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep of two models, one of a long name, over sizes, with seeds and two failures of one reason; a run of its own."""
    path, g = tmp_path_factory.mktemp("page"), np.random.default_rng(0)
    for model, factor in (("ae", 1.0), (LONG, 1.3)):
        for size in (2, 8, 32):
            for seed in range(2):
                error = g.gamma(2.0, 1.0, N) * factor / size
                more = {"probe/model/acc_50": 0.7, "probe/pca/acc_50": 0.6, "codes/dead": 0.0, "codes/dimension_mle": 3.0}
                made(path / "s", f"{model[:8]}-{size}-{seed}", error=error, seed=seed, model=model, size=size, **more)
    for i in range(2):
        made(path / "s", f"bad{i}", error=g.gamma(2.0, 1.0, N), status="failed")
        (path / "s" / f"bad{i}" / "results.json").write_text('{"status": "failed", "error": "it broke"}')
    made(path / "one", "run_" + "x" * 70, error=g.gamma(2.0, 1.0, N), verdict="Better than PCA. By much.")
    for name in ("s", "one"):
        assert here(path, "report", name).code == 0
    return path


def elements(folder, name="s"):
    return Elements((folder / name / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["s", "one"])
def test_contents_lead_to_every_section(folder, name):
    found = elements(folder, name)
    ids = [a["id"] for _, a, _ in found.all if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"].removeprefix("#") for a, _ in found.such("a")]
    assert set(links) <= set(ids)
    assert {a["id"] for a, _ in found.such("section")} <= set(links)


def test_charts_have_axes_with_units_and_marks_that_speak(folder):
    found = elements(folder)
    titles = [a["aria-label"] for _, a, _ in found.all if a.get("role") == "group"]
    assert titles == ["Test error against model.latent_dim"]
    axes = [t for _, t in found.such("text", "axis")]
    assert len(axes) == 2 * len(titles)
    assert "".join(t for _, a, t in found.all if a == {} for t in t).count("numbers in the code (model.latent_dim)") >= 1
    points = [a for a, _ in found.such("g", "point")]
    assert len(points) == 9  # two models and PCA, of three sizes
    assert [a["tabindex"] for a in points].count("0") == 1  # one stop of the Tab key a chart, then arrows
    assert all(re.search(r"test squared error \d", a["aria-label"]) for a in points)
    assert sum("(2 seeds)" in a["aria-label"] for a in points) == 6


def test_shortened_names_have_the_full_one_on_hover(folder):
    found = elements(folder)
    for tag in ("span", "code"):
        assert all(a["title"] for a, _ in found.such(tag, "name"))
    titles = {a["title"] for a, _ in found.such("span", "name")}
    assert {LONG, f"model={LONG}", f"model={LONG} model.latent_dim=8"} <= titles
    assert "model.latent_dim" in {a.get("title") for a, _ in found.such("button")}
    assert not found.such("b")  # a name is words


def test_failures_are_listed_by_their_reason(folder):
    (item,) = elements(folder).such("li", "failed")
    assert item[1].strip() == "it broke"
    assert {t for _, t in elements(folder).such("code", "name")} == {"bad0", "bad1"}


def test_a_single_run_says_its_verdict_first(folder):
    found = elements(folder, "one")
    assert found.such("strong")[0][1] == "Better than PCA. "
    assert found.such("h1")[0][1] == "Run one"


def test_terms_in_use_are_explained_and_no_others(folder):
    assert {"squared error", "PCA", "intrinsic dimension", "PSNR"} <= {t for _, t in elements(folder).such("dt")}
    assert list(terms(["KL of it", "knn AUROC"])) == ["KL", "AUROC", "knn"]


def test_figures_of_a_column_have_the_same_decimals(folder):
    runs = gather([folder / "s"])
    keys = columns(runs)
    groups = grouped(runs, keys)
    table = settings_table(groups, keys, ["test/se", "codes/dead", "pca/se"], ("test/se", "test/se"))
    assert table.same == {"code dead units": "0", "PCA squared error per sample": "1"}
    assert [c.title for c in table.heads] == [*keys, "test/se", "number of runs that differ in the seed alone"]
    assert len({len(row[2].words.split(" ")[0].partition(".")[2]) for row in table.rows}) == 1
    for row, group in zip(table.rows, groups, strict=True):
        assert float(row[2].words.split(" ")[0]) == pytest.approx(group.mean("test/se"), rel=1e-3)


def test_names_leave_out_defaults(folder):
    group = next(
        g for g in grouped(gather([folder / "s"]), ["model", "model.latent_dim", "optimizer.lr"]) if "ae" in g.settings
    )
    keys = ["model", "model.latent_dim", "optimizer.lr"]
    assert named(group, keys, {"model"}) == f"code size {group.settings[1]}"
    assert typed(group, keys) == f"model=ae model.latent_dim={group.settings[1]}"


# -- axes ------------------------------------------------------------------------------------------------------------------


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


# -- in a browser ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
@pytest.mark.skipif(axe() is None, reason="axe-core-python is not installed")
def test_everybody_can_read_it(folder):
    """axe-core has nothing serious to say, light or dark, on a phone or a desk, where no page is wider than the screen."""
    with page() as tab:
        for name in ("s", "one"):
            for width, scheme in ((360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")):
                tab.shown_as(width, scheme)
                tab.go((folder / name / "report.html").as_uri())
                assert tab.until(lambda: tab.ask("!!document.querySelector('footer')"))
                assert tab.ask("document.documentElement.scrollWidth") <= width
                colour = tab.ask("getComputedStyle(document.body).backgroundColor")
                assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
                assert tab.violations() == [], (name, width, scheme)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_marks_are_read_by_keyboard_and_paper_is_light(folder):
    key = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}))"
    with page() as tab:
        tab.shown_as(360, "dark")
        tab.send("Emulation.setFocusEmulationEnabled", enabled=True)  # as if its window were in front
        tab.go((folder / "s" / "report.html").as_uri())
        assert tab.until(lambda: tab.ask("!!document.querySelector('footer')"))
        tab.ask("document.querySelector('.point[tabindex=\"0\"]').focus()")
        first = tab.ask("document.querySelector('.readout').textContent")
        tab.ask(key)
        second = tab.ask("document.querySelector('.readout').textContent")
        assert "test squared error" in first
        assert "test squared error" in second
        assert first != second
        assert tab.ask("document.querySelectorAll('.point[tabindex=\"0\"]').length") == 1
        tab.ask("document.querySelector('.wide').scrollLeft = 200")
        assert tab.ask("document.querySelector('td').getBoundingClientRect().left") >= 0  # the first column stays in sight
        tab.send("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        assert tab.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert tab.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
        assert tab.ask("getComputedStyle(document.querySelector('.wide')).overflowX") == "visible"
