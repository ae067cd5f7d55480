"""`aerun clean`: it shows what it would remove, and removes that and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from aerun.runs.lock import claimed
from tests.command.test_runs import make
from tests.shell import here

OLD = Path(__file__).parents[1] / "data" / "runs" / "ae"


@pytest.fixture
def place(tmp_path):
    top = tmp_path / "outputs" / "runs"
    shutil.copytree(OLD, top / "good")
    shutil.copytree(OLD, top / "bad")
    (top / "bad" / "results.json").write_text('{"status": "failed", "error": "it broke"}')
    shutil.copytree(OLD, top / "stopped")
    (top / "stopped" / "results.json").write_text('{"status": "interrupted"}')
    return top


def names(top):
    return sorted(path.name for path in top.iterdir())


def test_without_a_yes_it_only_shows(place):
    told = here(place.parents[1], "clean", "--failed", "--interrupted")
    assert told.code == 0
    assert "  failed  outputs/runs/bad" in told.out
    assert "  interrupted  outputs/runs/stopped" in told.out
    assert "good" not in told.out
    assert "2 runs below outputs, " in told.out
    assert told.out.endswith("nothing is removed: --yes removes them\n")
    assert names(place) == ["bad", "good", "stopped"]


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        (["--failed"], ["good", "stopped"]),
        (["--interrupted"], ["bad", "good"]),
        (["--older-than", "1h"], []),
        (["--older-than", "90y"], ["bad", "good", "stopped"]),
        (["--failed", "--older-than", "1h"], ["good", "stopped"]),
    ],
)
def test_what_is_chosen_is_removed(place, flags, left):
    told = here(place.parents[1], "clean", *flags, "--yes")
    assert told.code == 0, told.err
    assert names(place) == left


def test_all_but_the_best_checkpoints(place):
    before = (place / "good" / "checkpoints" / "best.ckpt").read_bytes()
    told = here(place.parents[1], "clean", "--checkpoints", "--yes")
    assert told.code == 0, told.err
    assert not (place / "good" / "checkpoints" / "last.ckpt").exists()
    assert (place / "good" / "checkpoints" / "best.ckpt").read_bytes() == before
    assert (place / "stopped" / "checkpoints" / "last.ckpt").exists()  # it may go on
    assert "0 last checkpoints" in here(place.parents[1], "clean", "--checkpoints").out


def test_files_of_others_and_runs_at_work_stay(place):
    (place / "bad" / "thesis.tex").write_text("mine")
    os.symlink(place.parents[1], place / "bad" / "pictures")
    with claimed(place / "stopped"):
        told = here(place.parents[1], "clean", "--failed", "--yes")
    assert (place / "bad" / "thesis.tex").read_text() == "mine"
    assert told.code in (0, 2)
    assert (place / "good" / "results.json").exists()


def test_a_run_at_work_is_not_chosen(place):
    (place / "stopped" / "results.json").write_text('{"status": "running"}')
    with claimed(place / "stopped"):
        assert "0 runs" in here(place.parents[1], "clean", "--interrupted", "--yes").out
    assert "1 runs" in here(place.parents[1], "clean", "--interrupted").out


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "say what"), (["nowhere", "--failed"], "nowhere: no such folder"), (["--older-than", "long"], "such as 30d")],
)
def test_mistakes_are_told_in_words(tmp_path, words, said):
    (tmp_path / "outputs").mkdir()
    told = here(tmp_path, "clean", *words)
    assert told.code == 2
    assert said in told.err


def test_made_up_folders_are_no_runs_of_aeruns(tmp_path):
    folder = make(tmp_path, "x", status="failed")
    (folder / "config.yaml").write_text("model: {name: x}\n")
    told = here(tmp_path, "clean", ".", "--failed", "--yes")
    assert told.code == 2
    assert (folder / "config.yaml").exists()
