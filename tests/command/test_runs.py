"""`aerun runs`: what it lists, filters and sorts, and how notes and tags are changed."""

import json
import os
from pathlib import Path

import pytest

from aerun.command.runs import run
from aerun.runs.listing import listed, newest_first, run_folders
from aerun.runs.lock import claimed
from tests.shell import here

CONFIG = """
model: {name: MODEL}
dataset: {_target_: aerun.dataset.table.Table, path: /elsewhere/my data.csv}
trainer: {max_epochs: 40}
"""


def make(top, name, model="ae", status="completed", started="2026-01-01T00:00:00+00:00", error=None, **figures):
    folder = top / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"command": f"aerun model={model}", "started": started}))
    results = {"status": status, **({"error": error} if error else {}), **{k.replace("__", "/"): v for k, v in figures.items()}}
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "config.yaml").write_text(CONFIG.replace("MODEL", model))
    return folder


@pytest.fixture
def past(tmp_path):
    make(tmp_path / "outputs", "a", test__se=2.0, pca__se=3.0)
    make(tmp_path / "outputs", "b", "vae", started="2026-03-01T00:00:00+00:00", test__se=1.0, pca__se=3.0)
    make(tmp_path / "outputs", "c", "vae", "failed", "2026-02-01T00:00:00+00:00", error="TrainingError: not finite")
    return tmp_path


def rows(told):
    """The table's rows as lists of cells."""
    return [[c.strip() for c in line.strip("│").split("│")] for line in told.out.splitlines() if line.startswith("│")]


def test_newest_first_with_data_model_status_and_the_baseline(past):
    told = here(past, "runs")
    assert [row[-1].rpartition("/")[2] for row in rows(told)] == ["b", "c", "a"]
    assert rows(told)[0][1:6] == ["completed", "table my data.csv", "vae", "1", "3"]
    assert rows(told)[1][1] == "failed: TrainingError: not finite"
    assert told.out.endswith("3 runs below outputs\n")


@pytest.mark.parametrize(
    ("words", "folders"),
    [
        (["--status", "failed"], "c"),
        (["--status", "completed", "--model", "vae"], "b"),
        (["--data", "my data"], "bca"),
        (["--sort", "test/se"], "bac"),
        (["--top", "1"], "b"),
        (["--tag", "none"], ""),
    ],
)
def test_filters_and_order(past, words, folders):
    assert [row[-1][-1] for row in rows(here(past, "runs", *words))] == list(folders)


def test_a_live_run_says_its_epoch_and_an_abandoned_one_is_interrupted(tmp_path):
    folder = make(tmp_path, "live", status="running")
    (folder / "metrics.csv").write_text("epoch,val/mse\n0,2\n1,1\n")
    assert listed(folder).status == "interrupted"
    with claimed(folder):
        live = listed(folder)
    assert (live.status, live.epoch) == ("running", "2/40")
    assert live.left is not None
    assert live.left > 0


def test_notes_and_tags_are_kept_as_typed(past):
    folder = "outputs/a"
    told = here(past, "runs", folder, "--notes", "first, of two", "--set-tags", "paper,my lab")
    assert told.code == 0
    assert rows(here(past, "runs", "--tag", "my lab"))[0][6:8] == ["paper, my lab", "first, of two"]
    before = json.loads((past / folder / "run.json").read_text())
    here(past, "runs", folder, "--set-tags", "")
    assert json.loads((past / folder / "run.json").read_text()) == {**before, "tags": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["--sort", "test/sse"], "(nearest: test/se)"),
        (["outputs", "--notes", "x"], "are set of one run"),
    ],
)
def test_mistakes_are_told_in_words(past, words, said):
    told = here(past, "runs", *words)
    assert told.code == 2
    assert said in told.err


def test_a_strangers_run_is_shown_and_nothing_more(tmp_path):
    folder = make(tmp_path, "x", "\x1b[31mred")
    os.remove(folder / "results.json")
    os.symlink("/etc/hostname", folder / "results.json")
    make(tmp_path, "y", "\x1b[31mred")
    told = here(tmp_path, "runs", ".")
    assert told.code == 0
    assert "\x1b" not in told.out
    assert "unreadable" in told.out


def test_runs_of_before_are_listed():
    top = Path(__file__).parents[1] / "data" / "runs"
    runs = [listed(path) for path in newest_first(run_folders(top))]
    assert len(runs) == 26
    assert {r.status for r in runs} == {"completed"}
    assert all(r.data == "digits" or " " not in r.data for r in runs)
    assert run([str(top), "--all"]) == 0
