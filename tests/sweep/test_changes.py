"""What a command changes of a sweep that is there is shown before anything trains; parts of it can be asked for."""

import json
import shutil

import pytest

from aerun.runs.lock import claimed
from tests.shell import here

QUICK = ["trainer=smoke", "trainer.progress=false", "pictures=[]", "model.arch.hidden=[4]"]
LINE = ["-m", "sweep=s", "seed=0,1,2,3", *QUICK]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    path = tmp_path_factory.mktemp("changes")
    told = here(path, *LINE)
    assert told.code == 0, told.err
    assert "is there already" not in told.out
    return path


@pytest.fixture
def sweep(done, tmp_path):
    """A copy: seed 0 is complete, 1 failed, 2 has other settings now, 3 was not begun. Job -> its folder."""
    folder = shutil.copytree(done / "outputs", tmp_path / "outputs") / "sweeps" / "s"
    jobs = {int(p.name[5]): p for p in folder.glob("seed=*")}
    for n, change in ((1, {"status": "failed", "error": "x"}), (3, {"status": None})):
        path = jobs[n] / "results.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    path = jobs[2] / "config.yaml"
    path.write_text(path.read_text().replace("patience: ", "patience: 9"))
    return jobs


def kinds(told):
    """The table of what is new, stale, ...: word -> count."""
    rows = [line.split() for line in told.out.splitlines() if line.startswith("  ")]
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def test_each_kind_is_shown_before_anything_trains(sweep, tmp_path):
    with claimed(sweep[3]):
        told = here(tmp_path, *LINE)
    assert kinds(told) == {"stale": 1, "failed": 1, "running": 1, "unchanged": 1}
    told_before = told.out[: told.out.index("Launching")] if "Launching" in told.out else told.out
    assert "trainer.patience" in told_before
    assert "stale         1  trained anew: seed=2" in told_before


def test_what_failed_alone_is_repeated(sweep, tmp_path):
    before = {n: (p / "results.json").stat().st_mtime_ns for n, p in sweep.items()}
    told = here(tmp_path, *LINE, "sweep.only=failed")
    assert told.code == 0, told.err
    after = {n: (p / "results.json").stat().st_mtime_ns for n, p in sweep.items()}
    assert [n for n in before if before[n] != after[n]] == [1]
    assert "stale         1  trained anew (left alone: sweep.only): seed=2" in told.out
    assert "3 of 3 jobs completed" in told.out
    told = here(tmp_path, *LINE, "sweep.only=failed")
    assert told.code == 0, told.err
    assert kinds(told) == {"waiting": 1, "stale": 1, "unchanged": 2}
    told = here(tmp_path, *LINE, "sweep.only=[waiting,stale]")
    assert "4 of 4 jobs completed" in told.out
    assert kinds(here(tmp_path, *LINE)) == {"unchanged": 4}


def test_more_is_said_to_be_added(sweep, tmp_path):
    more = ["-m", "sweep=s", "seed=0,4", *QUICK]
    refused = here(tmp_path, *more)
    assert refused.code == 2
    assert "1 job of this command is new, 1 unchanged, 3 of the sweep's are not in this command" in refused.err
    assert "(seed=4 here, nothing there)" in refused.err
    told = here(tmp_path, *more, "sweep.extend=true", "sweep.only=new")
    assert told.code == 0, told.err
    assert kinds(told) == {"new": 1, "unchanged": 1, "others": 3}
    assert "new           1  added to the sweep: seed=4" in told.out
    changed = here(tmp_path, *LINE[:3], *QUICK[:3], "model.arch.hidden=[5]")
    assert "(model.arch.hidden=[5] here, model.arch.hidden=[4] there)" in changed.err


@pytest.mark.parametrize(
    ("word", "said"), [("faild", "(nearest: failed)"), ("[]", "or a list of them"), ("unchanged", "must be of"), ("3", "list")]
)
def test_a_kind_that_there_is_not(done, word, said):
    told = here(done, *LINE, f"sweep.only={word}")
    assert (told.code, said in told.err) == (2, True)


def test_a_search_has_no_kinds(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    told = here(tmp_path, "-m", "search=lambda", "model=sparse", "sweep.only=failed", *QUICK[:3])
    assert (told.code, "is for grids" in told.err) == (2, True)
