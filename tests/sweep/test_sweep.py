"""Sweeps go on where they stopped: what is complete is left alone, what was stopped continues, what failed begins anew."""

import json
import os
import random
import shutil
import signal
import sys
import time
import warnings

import pytest

from aerun.dataset.digits import Digits
from tests import loaded
from tests.shell import here, metrics, outside, stopped, timeless

QUICK = ["trainer=smoke", "trainer.progress=false", "pictures=[]"]


def jobs(sweep):
    """Folder of each job by its name."""
    return {p.name: p for p in sorted(sweep.iterdir()) if p.is_dir() and not p.name.startswith(".")}


def stamps(sweep):
    return {name: (path / "results.json").stat().st_mtime_ns for name, path in jobs(sweep).items()}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder where a sweep of two jobs was typed, complete."""
    path = tmp_path_factory.mktemp("sweep")
    told = here(path, "-m", "sweep=first", "seed=0,1", *QUICK)
    assert told.code == 0, told.err
    return path


@pytest.fixture
def first(done, tmp_path):
    """A copy of its sweep."""
    return shutil.copytree(done / "outputs", tmp_path / "outputs") / "sweeps" / "first"


def test_the_grid_is_written_down_and_nothing_is_done_twice(first, tmp_path):
    grid = json.loads((first / "sweep.json").read_text())
    assert set(grid["jobs"]) == set(jobs(first))
    before = stamps(first)
    told = here(tmp_path, "-m", "sweep=first", "seed=0,1", *QUICK)
    assert told.code == 0
    assert told.out.count("complete already") == 2
    assert stamps(first) == before


def test_jobs_that_hydra_launches_are_the_same_and_data_are_read_once(first, tmp_path, monkeypatch):
    read, load = [], Digits.load
    monkeypatch.setattr(Digits, "load", lambda self: read.append(1) or load(self))
    told = here(tmp_path, "-m", "sweep=own", "seed=0,1", "+hydra.job.env_set.OWN=1", *QUICK)
    assert told.code == 0, told.err
    assert len(read) == 1
    assert "\t#1 : " in told.out
    own = jobs(tmp_path / "outputs" / "sweeps" / "own")
    assert own.keys() == jobs(first).keys()
    for name, folder in jobs(first).items():
        assert (own[name] / "config.yaml").read_bytes() == (folder / "config.yaml").read_bytes()
        assert timeless(own[name]) == timeless(folder)


def test_another_grid_is_refused_and_added_on_request(first, tmp_path):
    told = here(tmp_path, "-m", "sweep=first", "seed=1,2", *QUICK)
    assert told.code == 2
    assert "another grid: 1 job of this command is new, 1 unchanged, 1 of the sweep's is not in this command" in told.err
    assert len(jobs(first)) == 2
    before = stamps(first)
    told = here(tmp_path, "-m", "sweep=first", "seed=1,2", "sweep.extend=true", *QUICK)
    assert told.code == 0
    after = stamps(first)
    assert len(after) == 3
    assert all(after[name] == before[name] for name in before)
    assert "3 of 3 jobs completed" in told.out


def test_what_failed_begins_anew_and_what_changed_too(first, tmp_path):
    one, other = jobs(first).values()
    results = json.loads((one / "results.json").read_text())
    (one / "results.json").write_text(json.dumps({**results, "status": "failed"}))
    (one / "evaluation.json").write_text("{}")
    (one / "mine").write_text("")
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(
        config.replace("lr: 0.003", "lr: 0.5") if "lr: 0.003" in config else config + "more: 1\n"
    )
    before = stamps(first)
    told = here(tmp_path, "-m", "sweep=first", "seed=0,1", *QUICK)
    assert told.code == 0
    assert "complete already" not in told.out
    assert all(stamps(first)[name] > before[name] for name in before)
    assert not (one / "evaluation.json").exists()
    assert (one / "mine").exists()
    assert json.loads((one / "results.json").read_text())["status"] == "completed"


@pytest.mark.slow
def test_a_stopped_job_goes_on_from_its_checkpoint(tmp_path):
    line = ["-m", "sweep=s", "seed=0,1", "trainer.max_epochs=40", "pictures=[]"]
    folder = tmp_path / "outputs" / "sweeps" / "s" / "seed=0,trainer.max_epochs=40,pictures=_"
    assert stopped(loaded.start(tmp_path, *line), signal.SIGKILL, folder, epochs=5).code == -signal.SIGKILL
    told = here(tmp_path, *line)
    assert told.code == 0, told.err
    assert told.out.count("gone on with") == 1
    assert "2 of 2 jobs completed" in told.out
    alone = tmp_path / "alone"
    assert here(tmp_path, "seed=0", *line[3:], f"hydra.run.dir={alone}").code == 0
    assert timeless(folder) == timeless(alone)
    assert len(metrics(folder)) == 40


def test_a_failed_job_is_told_and_stops_no_other(tmp_path):
    told = here(tmp_path, "-m", "sweep=f", "optimizer=sgd", "optimizer.lr=1e30,1e-2", *QUICK)
    assert told.code == 1
    assert "1 of 2 jobs completed" in told.out
    assert "loss is not finite" in told.out
    bad = next(p for name, p in jobs(tmp_path / "outputs" / "sweeps" / "f").items() if "1e30" in name or "1e+30" in name)
    assert json.loads((bad / "results.json").read_text())["status"] == "failed"


def test_the_best_comes_first_whichever_way_is_better(tmp_path):
    told = here(tmp_path, "-m", "sweep=p", "objective=test/psnr", "model.latent_dim=1,16", "trainer.max_epochs=3", *QUICK[1:])
    assert told.code == 0, told.err
    rows = [line for line in told.out.splitlines() if line.startswith("│ model.latent_dim=")]
    assert "test/psnr" in told.out
    assert [row.split()[1] for row in rows] == ["model.latent_dim=16", "model.latent_dim=1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep=../up", "seed=0,1"], "a name is letters"),
        (["sweep=ok", "seed=range(3,3)"], "seed=range(3,3)"),
        (["sweep.jobs=0", "seed=0,1"], "sweep.jobs=0: a whole number"),
    ],
)
def test_mistakes_are_told(tmp_path, words, said):
    told = here(tmp_path, "-m", *words, *QUICK)
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err


@pytest.mark.slow
def test_jobs_at_once_are_the_same_jobs(first, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    told = outside(tmp_path, "-m", "sweep=at_once", "sweep.jobs=2", "seed=0,1", *QUICK)
    assert told.code == 0, told.err
    assert "2 of 2 jobs completed" in told.out
    assert "Joblib" not in told.out + told.err
    ours, theirs = jobs(tmp_path / "outputs" / "sweeps" / "at_once"), jobs(first)
    assert list(ours) == list(theirs)
    assert all(timeless(ours[name]) == timeless(theirs[name]) for name in ours)


def kill_at_work(place, line, wait):
    """Type a command in a process forked from this one; kill it `wait` seconds after it has begun an epoch more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads, which pytest-xdist has: they wait for messages
        child = os.fork()
    if not child:
        try:
            here(place, *line)
        finally:
            os._exit(0)
    before = rows(place)
    while rows(place) == before:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended by itself"
        time.sleep(0.002)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def rows(place):
    """How many epochs all jobs have written down, and how many jobs are complete."""
    found = [path.read_bytes().count(b"\n") for path in place.glob("outputs/sweeps/k/*/metrics.csv")]
    return sum(found), len(list(place.glob("outputs/sweeps/k/*/test_errors.npy")))


@pytest.mark.slow
def test_killed_ten_times_it_ends_as_if_undisturbed(tmp_path):
    """12 jobs; SIGKILL at ten random moments, each after some work that is new."""
    line = ["-m", "sweep=k", "model=ae,sparse", "model.latent_dim=2,8", "seed=0,1,2", "trainer.max_epochs=6"]
    line += ["dataset=wine", "trainer.progress=false", "pictures=[]", "evaluate=[]"]
    (tmp_path / "whole").mkdir()
    assert here(tmp_path / "whole", *line).code == 0
    g = random.Random(0)
    for _ in range(10):
        kill_at_work(tmp_path, line, g.uniform(0, 0.1))
    told = here(tmp_path, *line)
    assert told.code == 0, told.err
    assert "12 of 12 jobs completed" in told.out
    ours, theirs = (jobs(p / "outputs" / "sweeps" / "k") for p in (tmp_path, tmp_path / "whole"))
    assert list(ours) == list(theirs)
    assert len(ours) == 12
    for name, path in ours.items():
        assert timeless(path) == timeless(theirs[name]), name
        assert (path / "test_errors.npy").read_bytes() == (theirs[name] / "test_errors.npy").read_bytes()


def test_complete_jobs_that_are_asked_otherwise_are_not_trained_again(first, tmp_path):
    one, other = jobs(first).values()
    for job, was, before in ((one, "evaluate: auto", "evaluate: []"), (other, "progress: false", "progress: true")):
        text = (job / "config.yaml").read_text()
        assert was in text
        (job / "config.yaml").write_text(text.replace(was, before))
    rows = (one / "metrics.csv").read_text()
    before = stamps(first)
    told = here(tmp_path, "-m", "sweep=first", "seed=0,1", "tags=[late]", *QUICK)
    assert told.code == 0, told.err
    assert 'is asked anew (evaluate [] there, "auto" here)' in told.out
    assert told.out.count("complete already") == 1
    assert told.out.count("has the tags and notes that are typed now") == 1
    assert (one / "metrics.csv").read_text() == rows
    assert stamps(first)[other.name] == before[other.name]
    assert all(json.loads((job / "run.json").read_text())["tags"] == ["late"] for job in (one, other))


def test_interpolations_name_a_job_as_they_are_typed(tmp_path):
    told = here(tmp_path, "-m", "sweep=s", "seed=${model.latent_dim}", "model.latent_dim=2,3", *QUICK)
    assert told.code == 0, told.err
    assert "2 of 2 jobs completed" in told.out
    seeds = [json.loads((p / "results.json").read_text())["seed"] for p in jobs(tmp_path / "outputs" / "sweeps" / "s").values()]
    assert seeds == [2, 3]


def test_a_job_has_its_reconstructions_and_the_rest_is_drawn_when_asked_for(tmp_path):
    told = here(tmp_path, "-m", "sweep=drawn", "seed=0,1", "model.arch.hidden=[4]", *QUICK[:2])
    assert told.code == 0, told.err
    assert "aerun evaluate outputs/sweeps/drawn/*/ --pictures default" in told.out
    both = list(jobs(tmp_path / "outputs" / "sweeps" / "drawn").values())
    for job in both:
        assert [p.name for p in (job / "pictures").iterdir()] == ["reconstructions.png"]
        assert not (job / "projector").exists()
    assert here(tmp_path, "evaluate", *map(str, both), "--pictures", "default").code == 0
    for job in both:
        assert {"reconstructions.png", "curves.png", "errors.png"} <= {p.name for p in (job / "pictures").iterdir()}


def test_pictures_that_are_asked_for_are_drawn_for_every_job(tmp_path):
    told = here(tmp_path, "-m", "sweep=drawn", "seed=0,1", "model.arch.hidden=[4]", *QUICK[:2], "pictures=[filters]")
    assert told.code == 0, told.err
    for job in jobs(tmp_path / "outputs" / "sweeps" / "drawn").values():
        assert [p.name for p in (job / "pictures").iterdir()] == ["filters.png"]


class Without:
    """A finder of modules that does not know one package."""

    def __init__(self, finder, package):
        self.finder, self.package = finder, package

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] == self.package else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


def test_it_needs_none_of_hydras_plugins(tmp_path, monkeypatch):
    """`pip install aerun` installs none: then there is no package `hydra_plugins` at all."""
    monkeypatch.setattr(sys, "meta_path", [Without(finder, "hydra_plugins") for finder in sys.meta_path])
    for name in [n for n in sys.modules if n.partition(".")[0] == "hydra_plugins"]:
        monkeypatch.delitem(sys.modules, name)
    told = here(tmp_path, "-m", "sweep=s", "seed=0,1", *QUICK)
    assert (told.code, told.err) == (0, "")
    assert "2 of 2 jobs completed" in told.out
    told = here(tmp_path, "-m", "sweep=j", "seed=0,1", "sweep.jobs=2", *QUICK)
    assert (told.code, "pip install 'aerun[sweep]'" in told.err) == (2, True)
