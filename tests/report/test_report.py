"""`aerun report`: the page says what the runs say, stands alone, and is whole HTML. On made-up runs, no training."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from aerun.report.chart import Axis, Chart, Point, Series
from aerun.report.render import script
from tests.browser import CHROMIUM, page
from tests.command.test_compare import N, made
from tests.shell import here

VOID = {"meta", "img", "br", "line", "circle", "polyline", "polygon"}


class Whole(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.sources = [], "", []

    def handle_starttag(self, tag, attrs):
        self.sources += [v for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def work(tmp_path):
    """Two models of three sizes with three seeds each, applications asked, one failed with a hostile reason."""
    g = np.random.default_rng(0)
    hard = g.gamma(2.0, 1.0, N)
    for model, factor in (("ae", 1.0), ("v<a>e", 1.3)):
        for size in (2, 8, 32):
            for seed in range(3):
                error = hard * factor / size * (1 + 0.02 * g.normal(size=N)) * (1 + 0.01 * g.normal())
                more = {"codes/dimension_mle": 9.0, "probe/model/acc_50": 0.7, "probe/pca/acc_50": 0.6, "machine": "a machine"}
                path = made(tmp_path / "s", f"{factor}-{size}-{seed}", error=error, seed=seed, model=model, size=size, **more)
    (path / "pictures").mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path / "pictures" / "reconstructions.png")
    bad = made(tmp_path / "s", "broken", error=hard, status="failed")
    (bad / "results.json").write_text('{"status": "failed", "error": "it <script>alert(1)</script> broke"}')
    return tmp_path


def read(path):
    found = Whole()
    found.feed(path.read_text(encoding="utf-8"))
    assert not found.open
    return found


def test_the_page_answers(work):
    told = here(work, "report", "s")
    assert told.code == 0, told.err
    found = read(work / "s" / "report.html")
    words = " ".join(found.text.split())
    assert "What was swept: model (ae, v<a>e), model.latent_dim (2, 8, 32); seeds 0, 1, 2. 18 of 19 runs are complete." in words
    assert "Best by val/mse: model=ae model.latent_dim=32" in words
    assert re.search(r"The best: test squared error \d+\.\d % lower than model=v<a>e model.latent_dim=32", words)
    assert "lower than that of PCA of the same size (1)" in words
    assert "intrinsic dimension 9.0" in words
    assert "PCA of the same size (dashed)" in words
    assert "PCA acc 50" in words
    assert "it <script>alert(1)</script> broke" in words  # as words, not as an element
    assert "aerun model=ae model.latent_dim=32 seed=2" in words


HOSTILE = "\x1b[2J\u202e\x07<img src=x onerror=alert(1)>"


def test_what_would_act_unseen_is_shown_as_escapes(tmp_path):
    """Control characters and bidirectional marks of strangers' runs, on the page and on the terminal."""
    for size in (2, 8):
        path = made(tmp_path / "s", f"{size}", error=np.full(N, 1.0 + size), size=size, machine=HOSTILE)
        (path / "run.json").write_text(json.dumps({"command": f"aerun model='{HOSTILE}{size}'"}))
    (made(tmp_path / "s", "bad", error=np.ones(N)) / "results.json").write_text(
        json.dumps({"status": "failed", "error": HOSTILE})
    )
    assert here(tmp_path, "report", "s").code == 0
    page, told = (tmp_path / "s" / "report.html").read_text(encoding="utf-8"), here(tmp_path, "compare", "s")
    for text in (page, told.out + told.err):
        assert not {"\x1b", "\u202e", "\x07"} & set(text)
        assert "\\x1b[2J\\u202e\\x07" in text
    assert "<img src=x" not in page
    assert "<img src=x onerror=alert(1)>" in told.out  # on a terminal it is only words


def test_the_page_may_run_only_its_own_script(work):
    here(work, "report", "s")
    text = (work / "s" / "report.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in unescape(policy)
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        (own,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in unescape(policy)
    assert not re.findall(r'\s(style|on\w+)="', text)


def test_nothing_comes_from_elsewhere(work):
    here(work, "report", "s", "--output", "page.html")
    assert all(s.startswith(("data:image/png;base64,", "#")) for s in read(work / "page.html").sources)
    assert "<script>alert" not in (work / "page.html").read_text()
    assert not re.findall(r"https?://", (work / "page.html").read_text())


def test_a_sweep_over_lambda_has_its_trade_off(tmp_path):
    for i, weight in enumerate(("0", "1e-3", "1e-2", "1e-1")):
        path = made(tmp_path / "s", weight, error=np.full(N, 1.0 + i), **{"codes/l0": 8.0 - i})
        text = (path / "run.json").read_text()
        (path / "run.json").write_text(text.replace("model=ae", f"model=ae reg.lambda={weight}"))
    assert here(tmp_path, "report", "s").code == 0
    found = read(tmp_path / "s" / "report.html")
    assert "Test error against reg.lambda" in found.text
    assert "reg.lambda=0 is in the table alone" in found.text
    assert "Test error against units in use per sample (L0)" in found.text


@pytest.mark.parametrize(
    ("words", "said"),
    [(["s/broken"], "none of 1 runs is complete"), (["s", "--output", "no/p.html"], "--output no/p.html: No such file")],
)
def test_mistakes_are_one_line(work, words, said):
    told = here(work, "report", *words)
    assert told.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1


def test_points_are_where_their_values_are():
    """Equal steps on a log scale are equal distances; a larger error is higher up."""
    points = [Point(x, x, 0.0, f"at {x}") for x in (1, 10, 100)]
    chart = Chart([Series("one", points)], Axis("x", log=True), Axis("y"), "title")
    (a, up), (b, _), (c, down) = ((chart.x(p.x), chart.y(p.y)) for p in points)
    assert b - a == pytest.approx(c - b, abs=0.2)
    assert down < up


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_a_browser_sorts_and_fits_a_phone(work):
    here(work, "report", "s")
    with page(width=500) as tab:
        tab.go((work / "s" / "report.html").as_uri())
        first = "document.querySelector('table.sortable tbody tr').cells[1].textContent"
        assert tab.until(lambda: tab.ask(first) == "32")
        tab.ask("document.querySelectorAll('table.sortable th button')[1].click()")
        assert tab.ask(first) == "2"
        tab.ask("document.querySelectorAll('table.sortable th button')[1].click()")
        assert tab.ask(first) == "32"
        assert tab.ask("document.documentElement.scrollWidth <= window.innerWidth")
        assert tab.ask("getComputedStyle(document.querySelector('.answer')).paddingLeft") == "16px"  # its style is let in
        tab.ask("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.own = 1'}))")
        assert tab.ask("typeof window.own") == "undefined"  # and nobody else's script
        assert tab.ask("[...document.querySelectorAll('svg g[tabindex]')].every(g => g.getAttribute('aria-label'))")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_is_javascript(tmp_path):
    (tmp_path / "s.js").write_text(script())
    assert subprocess.run(["node", "--check", tmp_path / "s.js"]).returncode == 0
