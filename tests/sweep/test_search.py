"""A search draws its points, keeps its study, goes on where it stopped, and says in words what cannot be."""

import json
import re
import shlex
import shutil
import signal
import statistics
import tomllib
from pathlib import Path

import pytest

from aerun.core.errors import AerunError
from aerun.runs.groups import short
from aerun.runs.lock import alone
from aerun.settings.overrides import spelt_out
from aerun.sweep.space import space_of
from aerun.sweep.study import LOCK
from tests import loaded
from tests.conftest import built
from tests.shell import here, outside, stopped

optuna = pytest.importorskip("optuna")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")

ROOT = Path(__file__).parents[2]
QUICK = ["trainer=smoke", "trainer.progress=false", "pictures=[]"]
LAMBDA = ["-m", "sweep=s", "search=lambda", "model=sparse", "regularizer=[l1]", *QUICK]


def jobs(folder):
    return {p.name: json.loads((p / "results.json").read_text()) for p in folder.iterdir() if (p / "results.json").exists()}


def study(folder):
    return optuna.load_study(study_name=folder.name, storage=f"sqlite:///{folder}/study.db")


def rows(table):
    """Cells of the rows of a printed table."""
    return [[c.strip() for c in line.strip("│").split("│")] for line in table.splitlines() if line.startswith("│")]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A search of three points, complete: the directory it was typed in."""
    path = tmp_path_factory.mktemp("search")
    told = here(path, *LAMBDA, "search.trials=3")
    assert told.code == 0, told.err
    assert "3 of 3 trials completed" in told.out
    return path


@pytest.fixture
def first(done, tmp_path):
    shutil.copytree(done / "outputs", tmp_path / "outputs")
    return tmp_path / "outputs" / "sweeps" / "s"


@pytest.mark.slow
def test_trials_are_those_of_the_whole_study(first, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in first.glob("*/results.json")}
    told = here(tmp_path, *LAMBDA, "search.trials=3")
    assert told.code == 0, told.err
    assert "3 of 3 trials completed" in told.out
    assert {p: p.stat().st_mtime_ns for p in first.glob("*/results.json")} == before
    told = here(tmp_path, *LAMBDA, "search.trials=5")
    assert "5 of 5 trials completed" in told.out
    assert len(study(first).trials) == len(jobs(first)) == 5  # no point was drawn twice
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())


def test_the_best_comes_first_with_the_command_that_repeats_it(done, tmp_path):
    folder = done / "outputs" / "sweeps" / "s"
    found = study(folder)
    values = {t.params["reg.lambda"]: t.value for t in found.trials}
    assert all(1e-5 <= value <= 10 for value in values)
    assert sorted(values.values()) == pytest.approx(sorted(r["objective"] for r in jobs(folder).values()))
    told = here(done, *LAMBDA, "search.trials=3")
    assert [row[1] for row in rows(told.out)] == [f"{v:.4g}" for v in sorted(values.values())]
    command = re.search(r"best of 3 points: aerun (.*)", told.out)[1]
    again = here(tmp_path, *command.replace("'", "").split(), f"hydra.run.dir={tmp_path / 'run'}")
    assert again.code == 0, again.err
    assert json.loads((tmp_path / "run" / "results.json").read_text())["objective"] == found.best_value


def test_a_search_is_repeatable(done, tmp_path):
    assert here(tmp_path, *LAMBDA, "search.trials=2").code == 0
    drawn = [t.params for t in study(tmp_path / "outputs" / "sweeps" / "s").trials]
    assert drawn == [t.params for t in study(done / "outputs" / "sweeps" / "s").trials[:2]]


def test_several_objectives_end_in_their_front(tmp_path):
    told = here(tmp_path, "-m", "sweep=f", "search=bottleneck", "search.trials=4", *QUICK)
    assert told.code == 0, told.err
    folder = tmp_path / "outputs" / "sweeps" / "f"
    found = {(r["val/mse"], r["latent_dim"]) for r in jobs(folder).values()}
    front = [a for a in found if not any(b != a and b[0] <= a[0] and b[1] <= a[1] for b in found)]
    assert [[row[0], row[1]] for row in rows(told.out)] == [[str(d), f"{e:.4g}"] for e, d in sorted(front, key=lambda p: p[1])]
    assert all(r["objective"] == r["val/mse"] for r in jobs(folder).values())
    assert all(isinstance(t.params["model.latent_dim"], int) for t in study(folder).trials)
    told = here(tmp_path, "compare", "outputs/sweeps/f")
    assert "objective (val/mse) ↓" in told.out
    assert "nothing beats these in both val/mse and latent_dim: " in told.out
    assert here(tmp_path, "report", "outputs/sweeps/f").code == 0
    assert "latent_dim against val/mse" in (folder / "report.html").read_text()


def test_a_point_of_several_seeds_is_their_mean(tmp_path):
    told = here(tmp_path, *LAMBDA, "search.trials=2", "search.seeds=2", "objective=test/psnr")
    assert told.code == 0, told.err
    folder = tmp_path / "outputs" / "sweeps" / "s"
    found = study(folder)
    assert found.direction == optuna.study.StudyDirection.MAXIMIZE
    for trial in found.trials:
        mine = [r for name, r in jobs(folder).items() if f"reg.lambda={trial.params['reg.lambda']}," in name]
        assert sorted(r["seed"] for r in mine) == [0, 1]
        assert trial.value == pytest.approx(statistics.fmean(r["test/psnr"] for r in mine))
    (first, spread), (second, _) = (map(float, row[1].split(" ± ")) for row in rows(told.out))
    assert first >= second
    best = max(found.trials, key=lambda t: t.value)
    assert spread == pytest.approx(statistics.stdev(v for (v,) in best.user_attrs["aerun:seeds"]), rel=0.05)
    assert "95 % over 2 paired seeds, corrected for 1 pair of 2 points" in told.out
    table = here(tmp_path, "compare", "outputs/sweeps/s").out
    first, second = (float(row[1].split()[0]) for row in rows(table))
    assert first >= second
    assert "test/psnr) ↑" in table
    assert all(len(row[0]) < 12 for row in rows(table))


def test_a_pruned_trial_is_told_as_such_with_its_figures_and_its_other_seeds_are_not_trained(tmp_path):
    line = ["-m", "sweep=s", "search=[lambda,asha]", "model=sparse", "dataset=wine", "trainer.max_epochs=3", *QUICK[1:]]
    line += ["search.trials=4", "search.seeds=2", "search.prune.rungs=[0.34]", "search.prune.eta=2"]
    told = here(tmp_path, *line)
    assert told.code == 0, told.err
    folder = tmp_path / "outputs" / "sweeps" / "s"
    trials = study(folder).trials
    pruned = [t for t in trials if t.state.name == "PRUNED"]
    assert pruned
    assert len(pruned) + sum(t.state.name == "COMPLETE" for t in trials) == 4
    found = jobs(folder)
    for trial in trials:
        mine = [r for name, r in found.items() if f"reg.lambda={trial.params['reg.lambda']}," in name]
        if trial.state.name == "PRUNED":
            assert [(r["status"], r["seed"]) for r in mine] == [("pruned", 0)]
            assert trial.intermediate_values == {1: mine[0]["val/mse"]}
        else:
            assert [r["status"] for r in mine] == ["completed"] * 2
            assert trial.value == pytest.approx(statistics.fmean(r["objective"] for r in mine))
    assert f"{4 - len(pruned)} of 4 trials completed, {len(pruned)} pruned" in told.out
    assert (
        here(tmp_path, *line, "search.trials=4", "search.seeds=2", "search.prune.rungs=[0.34]", "search.prune.eta=2").code == 0
    )
    assert len(study(folder).trials) == 4


@pytest.mark.slow
def test_a_failed_trial_is_no_lost_study(tmp_path):
    line = ["-m", "sweep=f", "search=own", "search.trials=6", "optimizer=sgd", "optimizer.lr=1e30,1e-3", *QUICK]
    told = here(tmp_path, *line)
    assert told.code == 1
    states = [t.state.name for t in study(tmp_path / "outputs" / "sweeps" / "f").trials]
    complete = states.count("COMPLETE")
    assert complete == states.count("FAIL") == 1  # of the two points that there are
    assert "1 of 2 trials completed, 1 failed" in told.out
    assert "not complete: optimizer.lr=1e+30: loss is not finite" in told.out
    assert here(tmp_path, *line).code == 1  # as it was; nothing is done again
    assert len(study(tmp_path / "outputs" / "sweeps" / "f").trials) == 2


def test_where_everything_fails_it_is_said(tmp_path):
    told = here(tmp_path, *LAMBDA, "search.trials=2", "optimizer=sgd", "optimizer.lr=1e30")
    assert told.code == 1
    assert "0 of 2 trials completed, 2 failed" in told.out


def test_what_was_interrupted_comes_first_and_counts_once(first, tmp_path):
    killed = study(first).ask({"reg.lambda": optuna.distributions.FloatDistribution(1e-5, 10, log=True)})
    study(first).ask()  # and one that had drawn nothing yet
    told = here(tmp_path, *LAMBDA, "search.trials=4")
    assert told.code == 0, told.err
    assert "4 of 4 trials completed" in told.out
    assert any(f"reg.lambda={killed.params['reg.lambda']}," in name for name in jobs(first))
    assert [t.state.name for t in study(first).trials] == [*["COMPLETE"] * 3, "FAIL", "FAIL", "COMPLETE"]
    assert "4 of 4 trials completed" in here(tmp_path, *LAMBDA, "search.trials=4").out


def test_two_processes_do_not_share_a_search(first, tmp_path):
    with alone(first, LOCK):
        told = here(tmp_path, *LAMBDA)
    assert told.code == 2
    assert "another process is at work on this search" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=sparse", "reg.lambda=1e-3,1e-2", *QUICK], "holds a search, and this command is a grid"),
        ([*LAMBDA[2:], "search.seeds=2"], "this one has other seeds"),
        ([*LAMBDA[2:], "reg.lambda=interval(0,1)"], "draws from another space. sweep.extend=true"),
        (["search=lambda", "model=contractive", *QUICK], "holds other settings fixed"),
    ],
)
def test_another_sweep_of_that_name_is_refused(done, words, said):
    before = sorted(p.name for p in (done / "outputs" / "sweeps" / "s").iterdir())
    told = here(done, "-m", "sweep=s", *words)
    assert told.code == 2
    assert said in told.err
    assert "It was: aerun -m sweep=s search=lambda" in told.err
    assert sorted(p.name for p in (done / "outputs" / "sweeps" / "s").iterdir()) == before


def test_a_search_under_a_grids_name_is_refused(tmp_path):
    assert here(tmp_path, "-m", "sweep=s", "seed=0", *QUICK).code == 0
    told = here(tmp_path, *LAMBDA)
    assert told.code == 2
    assert "holds a grid, and this command is a search" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search=lambda", "model=sparse"], "it needs -m"),
        (["-m", "search.trials=3", "seed=0,1"], "search.trials=3: belongs to a search"),
        (["-m", "search=lambda"], "reg.lambda=1e-05: nothing uses it"),
        (["-m", "search=lambda", "model=sparse", "objective=val/foo"], "objective=val/foo: no such figure (nearest: val/"),
        (["-m", "search=lambda", "model=sparse", "objective=[val/mse,val/mse]"], "a list of different ones"),
        (["-m", "search=lambda", "model=sparse", "search.trials=0"], "search.trials=0: a whole number"),
        (["-m", "search=lambda", "model=sparse", "search.seeds=two"], "search.seeds=two: a whole number"),
        (["-m", "search=lambda", "model=sparse", "search.direction=up"], "search.direction=up: minimize or maximize"),
        (["-m", "search=lambda", "model=sparse", "seed=0,1"], "no seed is drawn: search.seeds=3 runs every point"),
        (["-m", "search=lambda", "model=sparse", "hydra.sweeper.n_trials=3"], "this is search.trials"),
        (["-m", "search=lambda,bottleneck", "model=sparse"], "search=[lambda,bottleneck]"),
        (["-m", "search=lamda", "model=sparse"], "search=lamda: no such option (nearest: lambda)"),
        (["-m", "search=own", "model=sparse"], "nothing to search"),
        (["-m", "search=null", "seed=0,1"], "search=null: leave it out"),
        (["-m", "search=lambda", "model=sparse", "search.seeds=1,2"], "one value for the whole sweep"),
        (["-m", "search=own", "model=sparse", "search.space.optimizer.lr=interval(1e-3,1e-2)"], "type optimizer.lr=... itself"),
        (["-m", "search=lambda", "model=sparse", "hydra/sweeper/sampler=grid"], "a grid is a sweep without search="),
        (["-m", "search=lambda", "model=sparse", "sweep.fuse=true"], "sweep.fuse=true: is for grids"),
        (["-m", "search=own", "model=sparse,nosuch"], "model=nosuch: no such option"),
        (["-m", "search=own", "model=glob(*)"], "options by name"),
        (["-m", "search=own", "seed=1", "reg.lambda=tag(log,interval(0,1))"], "`low > 0` must hold"),
        (["-m", "search=own", "model.latent_dim=range(3,3)"], "an empty range"),
        (["-m", "search=lambda", "model=sparse", "search.storage=folder"], "search.storage=folder: cannot be opened"),
        (["-m", "search=lambda", "model=sparse", "search.storage=text.db"], "file is not a database"),
        (["-m", "search=lambda", "model=sparse", "search.storage=no/such/place.db"], "cannot be opened"),
        (["-m", "search=lambda", "model=sparse", "search.storage=foo://bar"], "cannot be opened"),
    ],
)
def test_mistakes_are_told_before_anything_is_run(tmp_path, words, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("no database, but a text that is long enough to be taken for one\n" * 99)
    told = here(tmp_path, *words, *QUICK)
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err
    assert not list(tmp_path.glob("outputs/*/*/*/results.json"))


def test_a_preset_of_ones_own(tmp_path):
    (tmp_path / "own" / "search").mkdir(parents=True)
    preset = tmp_path / "own" / "search" / "rate.yaml"
    line = ["-m", "--config-dir", "own", "sweep=p", "search=rate", "search.trials=1", *QUICK]
    preset.write_text("# @package search\nspace:\n  optimizer.lr: tag(log,interval(1e-4,1e-2))\nobjective: test/psnr\n")
    told = here(tmp_path, *line)
    assert told.code == 0, told.err
    (result,) = jobs(tmp_path / "outputs" / "sweeps" / "p").values()
    assert result["objective"] == result["test/psnr"]
    preset.write_text("# @package _global_\nsearch:\n  space:\n    optimizer.lr: 1e-3,1e-2\nmodel:\n  latent_dim: 3\n")
    told = here(tmp_path, *line)
    assert told.code == 2
    assert "sets more than is below `search`" in told.err


def test_without_the_plugin_the_command_that_installs_it_is_told(tmp_path, monkeypatch):
    from aerun.sweep import optuna as room

    monkeypatch.setattr(room, "find_spec", lambda name: None)
    told = here(tmp_path, *LAMBDA)
    assert told.code == 2
    assert "pip install 'aerun[search]'" in told.err
    monkeypatch.undo()
    monkeypatch.setattr(room, "VERSION", "0")
    assert "needs hydra-optuna-sweeper 0" in here(tmp_path, *LAMBDA).err


def test_the_pinned_version_is_the_one_that_is_asked_for():
    from aerun.sweep.optuna import PLUGIN, VERSION

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"{PLUGIN}=={VERSION}" in project["optional-dependencies"]["search"]


def test_the_guides_searches_are_legal(tmp_path, monkeypatch):
    from aerun.sweep.plan import plan_sweep

    monkeypatch.chdir(tmp_path)
    lines = [
        line
        for line in (ROOT / "docs/guides/searches.md").read_text().splitlines()
        if line.startswith("aerun -m") and "search=" in line
    ]
    assert len(lines) >= 2
    for line in lines:
        drawn = plan_sweep(spelt_out(shlex.split(line)[1:]), line).study is not None
        assert drawn is (" search=asha " not in line)  # which prunes a grid


@pytest.mark.parametrize(
    ("typed", "drawn"),
    [
        ("model.latent_dim=range(1,4)", "range(1,3,1)"),
        ("model.latent_dim=range(2,17,4)", "range(2,14,4)"),
        ("model.latent_dim=range(8,2,-2)", "range(4,8,2)"),
        ("optimizer.lr=range(0.1,0.5,0.2)", "range(0.1,0.30000000000000004,0.2)"),
        ("model.latent_dim=interval(2,8)", "int(interval(2,8))"),
        ("optimizer.lr=tag(log,interval(1e-4,1))", "tag(log,interval(1e-4,1))"),
        ("model=ae,vae", "ae,vae"),
    ],
)
def test_a_range_ends_before_its_end_and_whole_numbers_stay_whole(typed, drawn):
    from aerun.settings.overrides import config_of

    cfg = config_of(["search=own", "hydra/sweeper=optuna"])
    assert list(space_of(cfg, ["search=own", typed]).drawn.values()) == [drawn]


def test_a_run_may_have_several_objectives():
    assert built("objective=[val/mse,latent_dim]").objectives == ["val/mse", "latent_dim"]
    assert built().objectives == ["val/mse"]
    for wrong in ("[]", "[1]", "3"):
        with pytest.raises(AerunError, match="objective="):
            built(f"objective={wrong}")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.019628224813442792", "0.01963"),
        ("6.341310723409236e-05", "6.341e-05"),
        ("-0.123456789", "-0.1235"),
        *((word, word) for word in ("1e-3", "0.0001", "0.30", "vae", "[512,256]", "12345678")),
    ],
)
def test_drawn_numbers_are_shown_short_and_typed_ones_as_typed(value, shown):
    assert short(value) == shown


@pytest.mark.slow
def test_killed_in_the_middle_it_ends_with_exactly_its_trials(tmp_path):
    line = ["-m", "sweep=k", "search=lambda", "search.trials=4", "search.seeds=2", "model=sparse", "dataset=wine"]
    line += ["trainer.max_epochs=300", "trainer.save_every=0", "trainer.progress=false", "pictures=[]"]
    folder = tmp_path / "outputs" / "sweeps" / "k"
    for _ in range(2):
        process = loaded.start(tmp_path, *line)
        known = len(jobs(folder)) if folder.exists() else 0
        while process.poll() is None and (not folder.exists() or len(jobs(folder)) <= known + 1):
            pass
        newest = max(folder.glob("*/results.json"), key=lambda p: p.stat().st_mtime_ns).parent
        assert stopped(process, signal.SIGKILL, newest, epochs=3).code == -signal.SIGKILL
    told = here(tmp_path, *line)
    assert told.code == 0, told.err
    assert "4 of 4 trials completed" in told.out
    assert "gone on with" in told.out
    found = study(folder)
    complete = [t for t in found.trials if t.state.name == "COMPLETE"]
    assert len(complete) == 4
    assert len(found.trials) == 6  # two were interrupted
    assert len(jobs(folder)) == 8
    assert all(r["status"] == "completed" for r in jobs(folder).values())


@pytest.mark.slow
def test_jobs_at_once_search_too(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    told = outside(tmp_path, *LAMBDA, "search.trials=5", "sweep.jobs=2")
    assert told.code == 0, told.err
    assert "5 of 5 trials completed" in told.out
    assert len(jobs(tmp_path / "outputs" / "sweeps" / "s")) == 5


def test_a_point_that_was_asked_for_and_not_yet_given_to_a_job_is_taken_up(first, tmp_path):
    before = study(first)
    before.enqueue_trial({"reg.lambda": 0.125})
    before.ask()  # and the process is killed here
    told = here(tmp_path, *LAMBDA, "search.trials=4")
    assert told.code == 0, told.err
    assert "4 of 4 trials completed" in told.out
    assert [t.params for t in study(first).trials if t.state.name == "COMPLETE"][-1] == {"reg.lambda": 0.125}
