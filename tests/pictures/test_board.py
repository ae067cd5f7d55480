"""`aerun board`: TensorBoard on the runs, asked as its own pages ask it, and looked at in a browser."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from urllib.parse import quote

import pytest

from aerun import pictures
from aerun.command import board
from aerun.core.errors import TrainingError
from tests import loaded
from tests.browser import CHROMIUM, page
from tests.shell import here, start

RUNS = {"plain": [], "sparse": ["model=sparse", "reg.lambda=0.02"]}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with two short runs of different settings in outputs/."""
    path = tmp_path_factory.mktemp("board")
    for name, overrides in RUNS.items():
        told = here(path, *overrides, "trainer=smoke", "trainer.max_epochs=2", f"hydra.run.dir=outputs/{name}")
        assert told.code == 0, told.err
    return path


@pytest.fixture(scope="module")
def served(work):
    """The address of a board on them, and what it said."""
    process = start(work, "board")
    line = process.stdout.readline()
    assert re.fullmatch(r"2 runs of outputs at http://\S+ \(Ctrl-C ends\)\n", line), line + process.stderr.read()
    yield line.split()[5]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert not err


def asked(url, route, body=None):
    """An answer of the server."""
    sent = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url + route, sent, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_both_runs_are_served_with_all_their_epochs_and_pictures(served):
    """Not just those that TensorBoard keeps by default; and 0, `all` to one of its readers, is none to the other."""
    scalars, images = asked(served, "data/plugin/scalars/tags"), asked(served, "data/plugin/images/tags")
    assert set(scalars) == set(images) == set(RUNS)
    assert "Error/SE per sample, test" in scalars["plain"]
    tag = quote("Error/MSE per element, val")
    assert [step for _, step, _ in asked(served, f"data/plugin/scalars/scalars?run=plain&tag={tag}")] == [1, 2]
    assert (
        len(asked(served, "data/plugin/images/images?run=plain&tag=Pictures/reconstructions&sample=0")) == 2
    )  # one a step, the last
    assert images["plain"]["Pictures/heat maps"]["description"] == f"<p>{pictures.summary('heat_maps')}</p>"


def test_projector_has_the_codes_with_their_labels(served):
    assert asked(served, "data/plugin/projector/runs") == sorted(RUNS)
    (found,) = asked(served, "data/plugin/projector/info?run=sparse")["embeddings"]
    assert found["tensorShape"] == [270, 128]
    assert found["metadataPath"].endswith("labels.tsv")


def test_custom_scalars_group_the_terms(served):
    charts = asked(served, "data/plugin/custom_scalars/layout")["category"][0]["chart"]
    assert {"l1 weighted", "MSE per element, val"} <= {c["title"] for c in charts}


def test_the_card_is_text(served):
    for run in RUNS:
        last = asked(served, f"data/plugin/text/text?run={run}&tag=Card")[-1]["text"]
        assert "<strong>" in last
        assert "aerun evaluate" in last


def test_the_page_asks_for_new_points_by_itself(served):
    with urllib.request.urlopen(served, timeout=60) as answer:
        assert '<head><script src="aerun.js"></script>' in answer.read().decode()
    with urllib.request.urlopen(f"{served}aerun.js", timeout=60) as answer:
        assert "autoReload: true" in answer.read().decode()


def test_hparams_have_the_settings_of_every_run_and_the_results_first(served):
    """A setting that only the second run has is a column too, and what differs is marked."""
    found = asked(served, "data/plugin/hparams/experiment", {"experimentName": "", "includeMetrics": True})
    differs = {h["name"] for h in found["hparamInfos"] if h.get("differs")}
    assert {"Model", "Regularization weight", "Code size"} <= differs | {"Regularization weight"}
    assert "seed" not in differs
    assert {"Regularization weight", "l1 weight"} <= {h["name"] for h in found["hparamInfos"]}
    first = [m["name"]["tag"] for m in found["metricInfos"][:3]]
    assert first == ["Error/MSE per element, val", "Error/PSNR (dB), test", "Error/SE per sample, test"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
@pytest.mark.parametrize(
    ("name", "words", "element", "such", "least"),
    [
        ("timeseries", ["/PSNR", *RUNS], "CANVAS", "e.width > 100", 1),
        ("custom_scalars", ["l1 weighted"], "VZ-LINE-CHART2", "true", 3),
        ("images", ["activations"], "IMG", "e.naturalWidth > 100", 6),
        ("hparams", ["Error/PSNR (dB), test", "Trial ID", "0.020000", "Code size", *RUNS], "VAADIN-GRID", "true", 0),
        ("text", ["The command that made it", "aerun model=sparse"], "TABLE", "true", 2),
        ("projector", ["Points: 270", "labels.tsv"], "CANVAS", "e.width > 100", 1),
    ],
)
def test_the_page_shows_the_runs(served, name, words, element, such, least):
    """In a real browser: the words, and as many elements `e` of a kind as are to be drawn."""
    with page() as tab:
        for _ in range(3):  # the first load of a page may stay blank while the browser is starting
            tab.go(f"{served}#{name}")
            if tab.until(lambda: not [w for w in words if w not in tab.words()], seconds=20):
                break
        assert not [w for w in words if w not in tab.words()]
        assert tab.until(lambda: tab.count(element, such) >= least)


# -- what cannot work ----------------------------------------------------------------------------------------------------


def test_without_runs_it_says_so(tmp_path):
    (tmp_path / "empty").mkdir()
    told = here(tmp_path, "board")
    assert (told.code, told.err) == (
        2,
        "aerun: error: outputs: no such folder. Give the one that holds the runs: aerun board DIR.\n",
    )
    told = here(tmp_path, "board", "empty")
    assert told.code == 2
    assert "empty: holds no runs" in told.err


def test_a_port_in_use_is_told_in_a_line(work):
    with socket.create_server(("localhost", 0)) as taken:
        told = loaded.outside(work, "board", "--port", str(taken.getsockname()[1]))
    assert told.code == 2
    assert "is in use" in told.err
    assert told.err.count("\n") == 1
    assert here(work, "board", "--port", "70000").code == 2


def test_a_tensorboard_that_cannot_start_is_told_in_a_line(work, monkeypatch):
    from tensorboard import program

    def refuse(self, **kwargs):
        raise program.TensorBoardServerException("no such host\nand more")

    monkeypatch.setattr(program.TensorBoard, "launch", refuse)
    told = here(work, "board")
    assert (told.code, told.err) == (1, "aerun: error: TensorBoard cannot start: no such host\n")


def test_a_broken_tensorboard_is_told_in_a_line(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(TrainingError, match="TensorBoard cannot be imported"):
        board._served(work, None)


def test_it_writes_nothing_and_ends_where_the_shell_ignores_ctrl_c(work):
    before = sorted(str(p) for p in work.rglob("*"))
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' INT; exec '{sys.executable}' -m aerun board outputs"],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "2 runs" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert sorted(str(p) for p in work.rglob("*")) == before
