"""The page as it is laid out: linked, labelled, with full names, and readable on a phone, in the dark and by keyboard."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from aerun.inference.events import COLUMNS
from aerun.pictures.canvas.timeline import Strip
from aerun.report.glossary import terms
from aerun.report.maps import ImagePage, SeriesPage
from aerun.report.names import named, typed
from aerun.report.table import settings_table
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


# -- maps ------------------------------------------------------------------------------------------------------------------


def _maps(folder):
    """A page of images under their errors and one of a series over time."""
    about = {"kind": "image", "model": "m<b>", "low": 0.0, "high": 1.0}
    x = np.random.default_rng(0).uniform(size=(3, 1, 4, 4))
    values, score = x.reshape(-1, 2), x.reshape(-1, 2).mean(1)
    strip = Strip("one", np.arange(len(values)), ("a", "b"), values, values / 2, values / 2, score, 0.8, [(2, 4)])
    for name, kind in (("images", ImagePage), ("series", SeriesPage)):
        (folder / name).mkdir(exist_ok=True)
        with (folder / name / "report.html").open("wb") as file:
            writer = kind(file, about)
            if isinstance(writer, SeriesPage):
                writer.strips, writer.events = (
                    [strip],
                    [dict(zip(COLUMNS, ("f", "1", "2", "4", 3, "3", 0.91, "a", 0.02, "a"), strict=True))],
                )
            else:
                names, verdicts = (
                    np.array(["a", f"parts/{LONG}", "c"]),
                    {"threshold": np.full(3, 0.25), "anomaly": np.array([0, 1, 0])},
                )
                writer.add({"score": np.array([0.1, 0.3, 0.2]), "under": x, "errors": x, "file": names, **verdicts})
            writer.close()


def test_maps_say_what_their_colours_mean(folder):
    _maps(folder)
    images, series = elements(folder, "images"), elements(folder, "series")
    assert "all red is" in "".join(t for _, t in images.such("p"))
    assert images.such("span", "name")[0] == ({"class": "name", "title": f"parts/{LONG}"}, LONG)
    assert images.such("strong", "failed") == [({"class": "failed"}, "0.3, an alarm")]
    assert "3 images, 1 alarm (threshold 0.25), the highest score first" in "".join(t for _, t in images.such("strong"))
    assert "Shaded: the score is above the threshold" in "".join(t for _, t in series.such("p"))
    assert [a.get("class") for a, _ in series.such("th")] == ["word"] * 4 + [None, "word", None, "word", None, "word"]
    assert {a["href"] for a, _ in series.such("a")} == {"#events"}


# -- in a browser ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
@pytest.mark.skipif(axe() is None, reason="axe-core-python is not installed")
def test_everybody_can_read_it(folder):
    """axe-core has nothing serious to say, light or dark, on a phone or a desk, where no page is wider than the screen."""
    _maps(folder)
    with page() as tab:
        for name in ("s", "one", "images", "series"):
            for width, scheme in ((360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")):
                tab.shown_as(width, scheme)
                tab.go((folder / name / "report.html").as_uri())
                assert tab.until(
                    lambda: tab.ask("document.readyState") == "complete" and tab.ask("!!document.querySelector('h1')")
                )
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
