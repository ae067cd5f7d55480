"""Names of folders: another job never has the same one, and what was named before is found."""

import datetime
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerun.core.errors import AerunError
from aerun.settings import naming
from aerun.settings.naming import job_name, job_name_before, new_folder
from aerun.sweep.grid import Grid, name_in
from aerun.sweep.plan import plan_sweep

WORDS = st.text(st.sampled_from("aA_bß/<>[](),.=-+ '\"1é\n"), max_size=8)
JOBS = st.lists(WORDS.map(lambda w: f"k={w}"), max_size=3)


@given(JOBS, JOBS)
def test_different_jobs_have_different_names(one, other):
    names = [job_name(one), job_name(other)]
    assert (names[0].casefold() == names[1].casefold()) == (one == other), "also where capitals are none"
    assert all(len(name.encode()) <= 200 and "/" not in name for name in names)


@pytest.mark.parametrize("job", [["seed=1"], ["model=ae", "pictures=[]"], ["model.arch.hidden=[8,4]", "reg.lambda=1e-3"], []])
def test_plain_names_stay_as_they_were(job):
    assert job_name(job) == job_name_before(job)


def test_a_sweep_of_before_is_gone_on_with_under_its_names(tmp_path):
    planned, begun, other = (["dataset.path=site/a.csv"], ["dataset.path=site/b.csv"], ["dataset.path=site_b.csv"])
    Grid("aerun -m", {job_name_before(planned): planned}).save(tmp_path)
    (tmp_path / job_name_before(begun)).mkdir()
    (tmp_path / job_name_before(begun) / "run.json").write_text(json.dumps({"command": f"aerun {begun[0]}"}))
    assert name_in(tmp_path, planned) == job_name_before(planned)
    assert name_in(tmp_path, begun) == job_name_before(begun)
    assert name_in(tmp_path, ["dataset.path=site?a.csv"]) != job_name_before(planned)
    assert name_in(tmp_path, other) == job_name(other)


def test_runs_of_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    class Stopped(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 31, 12)

    monkeypatch.setattr(naming.datetime, "datetime", Stopped)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: new_folder(str(tmp_path), ["seed=1"]), range(24)))
    assert len(set(found)) == 24
    assert all(Path(path).is_dir() for path in found)
    assert new_folder(str(tmp_path), ["seed=1"], make=False).endswith("seed=1-25")
    assert len(list(tmp_path.iterdir())) == 24


def test_letters_of_several_bytes_fit_into_a_name(tmp_path):
    path = Path(new_folder(str(tmp_path), [f"dataset.path={'研究データ' * 60}/t.csv"]))
    assert path.is_dir()
    assert len(path.name.encode()) <= 255


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AerunError, match=r"cannot make .*hydra\.run\.dir"):
        new_folder(str(tmp_path / "file"), [])


def test_a_sweep_may_be_named_by_the_path_of_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("s", "outputs/sweeps/s", f"{tmp_path}/outputs/sweeps/s"):
        planned = plan_sweep(["-m", f"sweep.name='{name}'", "seed=0,1"], "aerun -m")
        assert planned.folder == Path("outputs/sweeps/s")
    for name in ("a/b", "x" * 201, "é" * 101):
        with pytest.raises(AerunError, match="200 bytes at most"):
            plan_sweep(["-m", f"sweep.name='{name}'", "seed=0,1"], "aerun -m")


def test_sweeps_of_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = {plan_sweep(["-m", "seed=0,1"], "aerun -m").folder for _ in range(3)}
    assert len(folders) == 3
