"""How far a sweep is, over all of its jobs."""

import json
import re

from aerun.sweep import pace
from aerun.sweep.grid import Grid
from tests.shell import here

QUICK = ("trainer=smoke", "pictures=[]", "trainer.progress=false", "model.arch.hidden=[4]")


def ended(folder, name, status):
    (folder / name).mkdir()
    (folder / name / "results.json").write_text(json.dumps({"status": status}))


def test_the_rest_takes_as_long_as_what_was_done_since_the_command_began(tmp_path, monkeypatch):
    monkeypatch.setenv("AERUN_SWEEP", "")
    Grid("aerun -m ...", {name: [f"seed={name}"] for name in "abcdef"}).save(tmp_path)
    ended(tmp_path, "a", "completed")
    clock = [100.0]
    monkeypatch.setattr(pace.time, "time", lambda: clock[0])
    pace.begin(tmp_path, "abcdef")
    assert pace.pace() == ""  # nothing is known of the pace
    clock[0] = 160.0
    ended(tmp_path, "b", "completed"), ended(tmp_path, "c", "failed"), ended(tmp_path, "d", "running")
    assert pace.pace() == "2 of 6 jobs done, 1 failed, 1 running, 2 waiting, about 2 min left"  # 60 s for two, 90 s for three
    monkeypatch.setattr(pace, "_FEW", 5)
    monkeypatch.setattr(pace, "_PAUSE", 1e9)
    assert [bool(pace.pace()) for _ in range(2)] == [True, False]  # of many jobs it is not looked after every one


def test_a_sweep_says_it_after_every_job_but_the_last(tmp_path):
    told = here(tmp_path, "-m", "sweep=s", "seed=0,1,2", *QUICK)
    assert told.code == 0, told.err
    assert re.findall(r"(\d) of 3 jobs done, \d waiting, about .* left", told.out) == ["1", "2"]
    again = here(tmp_path, "-m", "sweep=s", "seed=0,1,2", *QUICK)
    assert "jobs done" not in again.out
