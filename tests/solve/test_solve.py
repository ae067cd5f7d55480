"""`aerun solve` as it is typed: tiny plans to their ends, what goes on, and what is refused before time is spent."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from aerun.bill import past
from aerun.sweep import costs
from tests.bill.test_cost import COST, SIZE
from tests.shell import here

QUICK = ("trainer.max_epochs=1", "model.arch.hidden=[4]", "model.arch.norm=none", "optimizer.lr=1e-3")


@pytest.fixture
def cheap(monkeypatch):
    """Bills that cost nothing to make, and of jobs that cost little."""
    cost = replace(COST, size=replace(SIZE, epochs=1), step=1e-4, epoch=1e-3, begin=0.01, fit=0.01, end=0.01)
    monkeypatch.setattr(costs, "probe", lambda config, judge, in_sweep: cost)
    monkeypatch.setattr(past, "watch", lambda config: None)


@pytest.fixture
def rows(tmp_path):
    """A function that writes a file of n normal rows of rank 2 in 5 columns, and some that are not."""

    def write(n):
        g = np.random.default_rng(0)
        x = g.normal(size=(n, 2)) @ g.normal(size=(2, 5)) + 0.1 * g.normal(size=(n, 5))
        y = (np.arange(n) % 8 == 0).astype(int)
        x[y == 1] += g.normal(size=(int(y.sum()), 5))
        np.savez(tmp_path / "rows.npz", x=x, y=y)
        return ("dataset=array", "dataset.path=rows.npz", "dataset.key=x", "dataset.kind=table")

    return write


def answer(folder, name):
    """What results.json of a plan says."""
    return json.loads((folder / "outputs/solve" / name / "results.json").read_text())


def test_few_rows_end_with_pca_whose_run_every_verb_accepts(tmp_path, rows):
    told = here(tmp_path, "solve", *rows(120), "--for", "reduce", "--budget", "10m", "--name", "few")
    assert told.code == 0, told.err
    found = answer(tmp_path, "few")
    assert found["run"] == "outputs/solve/few/pca"
    assert found["test"]["model"]["se"] == pytest.approx(found["test"]["pca"]["se"], rel=1e-5)
    assert (found["split"], found["seed"], found["samples"]["train"]) == ("test", 0, 84)
    assert found["verdict"] in told.out
    assert "fewer than 200" in told.out
    verb = here(tmp_path, "encode", found["run"], "rows.npz", "--output", "z.npz")
    assert (verb.code, np.load(tmp_path / "z.npz")["z"].shape) == (0, (120, found["latent_dim"]))


def test_a_plan_of_networks_runs_goes_on_and_stands_as_it_was_edited(tmp_path, rows, cheap):
    typed = ("solve", *rows(400), "dataset.labels=y", "dataset.normal=[0]", *QUICK, "--for", "anomaly", "--name", "some")
    told = here(tmp_path, *typed, "--budget", "10m")
    assert told.code == 0, told.err
    found, plan = answer(tmp_path, "some"), tmp_path / "outputs/solve/some/experiment/plan.yaml"
    assert len(found["validation"]) == 2
    assert "auroc" in found["test"]["model"]
    assert yaml.safe_load(plan.read_text())["trainer"]["max_epochs"] == 1
    jobs = tmp_path / "outputs/solve/some/networks"
    (job,) = [path for path in jobs.iterdir() if path.is_dir()]
    before = (job / "results.json").read_bytes()
    again = here(tmp_path, *typed, "--budget", "10m")
    assert again.code == 0, again.err
    assert "plan   as it stands" in again.out
    assert (job / "results.json").read_bytes() == before
    plan.write_text(plan.read_text().replace("max_epochs: 1 ", "max_epochs: 2 "))
    edited = here(tmp_path, *typed, "--budget", "10m")
    assert edited.code == 0, edited.err
    assert json.loads((job / "results.json").read_text())["epochs"] == 2
    other = here(tmp_path, *typed[:-4], "--for", "reduce", "--name", "some")
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert "--fresh removes it" in other.err


def test_a_plan_that_was_cut_short_is_made_to_its_end(tmp_path, rows, cheap, monkeypatch):
    """Killed between PCA and the networks, or with a budget for PCA alone, the same command plans networks later."""
    typed = ("solve", *rows(400), *QUICK, "--for", "reduce", "--name", "cut")
    with monkeypatch.context() as patched:
        patched.setattr("aerun.solve.conduct.cost_of_job", _killed)
        assert here(tmp_path, *typed).code == 130
    folder = tmp_path / "outputs/solve/cut"
    assert [path.name for path in (folder / "experiment").iterdir()] == ["pca.yaml"]
    before = (folder / "pca/results.json").read_bytes()
    told = here(tmp_path, *typed, "--budget", "10m")
    assert told.code == 0, told.err
    assert (folder / "experiment/plan.yaml").is_file()
    assert (folder / "pca/results.json").read_bytes() == before
    assert len(answer(tmp_path, "cut")["validation"]) == 2


def _killed(config):
    raise KeyboardInterrupt


REFUSED = [
    (("dataset=digits", "--for", "alarms"), "--for alarms: no such task"),
    (("dataset=digits",), "--for"),
    (("dataset=digits", "--for", "reduce", "--budget", "soon"), "--budget=soon: must be a time"),
    (("dataset=digits", "--for", "anomaly"), "needs dataset.normal="),
    (("dataset=digits", "--for", "impute"), "needs a table"),
    (("dataset=text", "--for", "generate"), "needs samples of one length"),
    (("nowhere.csv", "--for", "reduce"), "nowhere.csv: no such file"),
    (("dataset=table", "dataset.path=nowhere.csv", "--for", "reduce"), "nowhere.csv"),
    (("dataset=digits", "sweep.jobs=2", "--for", "reduce"), "sweep.jobs=2: the plan settles that"),
    (("dataset=digits", "model.latent_dimm=2", "--for", "reduce"), "latent_dimm"),
    (("dataset=digits", "--for", "reduce", "--budget", "1s"), "below one job"),
    (("dataset=digits", "--for", "reduce", "--name", "../x"), "--name ../x"),
    (("constant.csv", "--for", "reduce"), "one value in all training samples"),
    (("short.csv", "--for", "reduce"), "a plan needs 20 at least"),
]


@pytest.mark.parametrize(("typed", "words"), REFUSED)
def test_what_cannot_be_planned_is_refused_in_a_line_and_leaves_nothing(tmp_path, typed, words):
    (tmp_path / "constant.csv").write_text("a,b\n" + "1,2\n" * 100)
    (tmp_path / "short.csv").write_text("a,b\n" + "".join(f"{i}.5,{i * i}\n" for i in range(12)))
    told = here(tmp_path, "solve", *typed)
    assert told.code == 2
    assert words in told.err
    assert 1 <= told.err.count("aerun: error") <= told.err.count("\n") <= 3
    assert not (tmp_path / "outputs").exists()


def test_fresh_removes_nothing_but_plans(tmp_path):
    (tmp_path / "outputs/solve/mine").mkdir(parents=True)
    (tmp_path / "outputs/solve/mine/letters.txt").write_text("dear")
    told = here(tmp_path, "solve", "dataset=digits", "--for", "reduce", "--fresh", "--name", "mine")
    assert (told.code, (tmp_path / "outputs/solve/mine/letters.txt").read_text()) == (2, "dear")
