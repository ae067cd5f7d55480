"""A pruned sweep: who goes on is as if never stopped, kills change nothing, and who was pruned is said and can go on."""

import json
import os
import shutil
import signal

import pytest
import torch

from aerun.runs.folder import Folder
from aerun.sweep import budget, costs, rung_ends
from aerun.sweep.pruned import outcome_of
from tests import loaded
from tests.bill.test_cost import COST
from tests.shell import figures, here, timeless

TINY = ["dataset=wine", "model=vae", "model.latent_dim=2", "trainer.max_epochs=9", "trainer.progress=false", "pictures=[]"]
GRID = [
    "-m",
    "sweep=s",
    *TINY,
    "optimizer.lr=1e-4,3e-3,1e-2,3e-2",
    "search=asha",
    "search.prune.eta=2",
    "search.prune.first=0.2",
]
RUNGS = (2, 4, 7)  # epochs


def jobs(sweep):
    return {p.name: p for p in sorted(sweep.iterdir()) if (p / "results.json").exists()}


def status(folder):
    return json.loads((folder / "results.json").read_text())["status"]


def rungs(folder):
    return json.loads((folder / "rungs.json").read_text())


def weights(folder, name):
    found = torch.load(folder / "checkpoints" / name, weights_only=True)
    return {
        **found["state_dict"],
        **{f"{n}/{k}": v for n, o in enumerate(found["optimizer_states"]) for k, v in _flat(o).items()},
    }


def _flat(state):
    return {f"{p}/{k}": v for p, one in state["state"].items() for k, v in one.items()}


def same(one, other):
    """Whether two folders hold the same training, bit for bit."""
    assert timeless(one) == timeless(other)
    assert figures(one) == figures(other)
    for name in ("last.ckpt", "best.ckpt"):
        a, b = weights(one, name), weights(other, name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """A pruned sweep of four jobs, complete: where it was typed, and what it said."""
    path = tmp_path_factory.mktemp("pruned")
    told = here(path, *GRID)
    assert told.code == 0, told.err
    return path, told.out


@pytest.fixture(scope="module")
def sweep(typed):
    return typed[0] / "outputs" / "sweeps" / "s"


def test_half_of_the_jobs_go_on_from_each_rung_and_the_others_are_pruned(sweep):
    reached = {name: max(map(int, rungs(path)["values"])) for name, path in jobs(sweep).items()}
    assert sorted(reached.values()) == [0, 0, 1, 2]
    assert sorted(map(status, jobs(sweep).values())) == ["completed", "pruned", "pruned", "pruned"]
    first = {name: rungs(path)["values"]["0"] for name, path in jobs(sweep).items()}
    assert {name for name, rung in reached.items() if rung} == set(sorted(first, key=first.get)[:2])
    for name, path in jobs(sweep).items():
        assert len(timeless(path)) == (9 if status(path) == "completed" else RUNGS[reached[name]])


def test_who_went_on_is_bit_for_bit_the_run_that_was_never_stopped(sweep, tmp_path):
    """P148, without a kill."""
    best = next(path for path in jobs(sweep).values() if status(path) == "completed")
    lr = Folder(best).config()["optimizer"]["lr"]
    told = here(tmp_path, *TINY, f"optimizer.lr={lr}", f"hydra.run.dir={tmp_path / 'straight'}")
    assert told.code == 0, told.err
    same(best, tmp_path / "straight")


def test_killed_at_its_rungs_it_ends_as_if_undisturbed(sweep, tmp_path, monkeypatch):
    """P148, killed and resumed."""
    calls, write, kills = [0], Folder.write, 0

    def kill(folder, name, content):
        calls[0] += name == "rungs.json"
        if calls[0] == 3:  # now before it is written that a job goes on, now before it is written how far it came
            os.kill(os.getpid(), signal.SIGKILL)
        write(folder, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", kill)
        while loaded.outside(tmp_path, *GRID).code == -signal.SIGKILL and kills < 20:
            kills += 1
    assert 2 <= kills < 20
    mine = jobs(tmp_path / "outputs" / "sweeps" / "s")
    assert mine.keys() == jobs(sweep).keys()
    for name, path in jobs(sweep).items():
        assert rungs(mine[name]) == rungs(path)
        same(mine[name], path)


def test_what_pruning_saved_and_risked_is_said_at_the_end_and_later(typed, sweep):
    place, said = typed
    assert "1 of 4 jobs completed, 3 pruned" in said
    saved = "pruning (search=asha) stopped 3 of 4 jobs: 17 of at most 36 epochs were trained (53 % saved)"
    for told in (said, here(place, "status", "outputs/sweeps/s").out, here(place, "compare", "outputs/sweeps/s").out):
        assert saved in told.replace("\n", " ")
    assert "rung 1 of 3: cannot tell how it ranks the ends: 1 job ended" in said
    told = here(place, "status", "outputs/sweeps/s").out
    assert "1 of 4 jobs done, 3 pruned" in told
    assert "rungs: 4 at 20 %, 2 at 40 %, 1 at 80 % of the training, 1 at its end" in told
    assert "next" not in told
    assert here(place, "runs", "--status", "pruned").out.count("pruned: after") == 3


def test_a_job_whose_rungs_are_damaged_is_named(sweep, tmp_path):
    place = tmp_path / "damaged"
    shutil.copytree(sweep, place)
    first = sorted(place.glob("*/rungs.json"))[0]
    first.write_text('{"values": {"0": "high"}}')
    told = here(tmp_path, "status", str(place))
    assert (told.code, "a job is left out of these figures: " in told.out, "rungs.json: damaged" in told.out) == (0, True, True)


def test_the_report_draws_curves_up_to_where_they_stopped(typed, sweep):
    told = here(typed[0], "report", "outputs/sweeps/s")
    assert told.code == 0, told.err
    page = (sweep / "report.html").read_text()
    assert "optimizer.lr (0.0001, 0.003, 0.01, 0.03)" in page
    assert "1 of 4 runs is complete, 3 were pruned." in page
    assert told.out.endswith("report.html: 4 settings, 4 runs: 1 complete, 3 pruned\n")
    compared = here(typed[0], "compare", "outputs/sweeps/s").out
    assert "4 settings, 4 runs: 1 complete, 3 pruned; the table is of the complete ones" in compared
    assert "how 3 pruned jobs would have ended is not known, and one may be the best" in compared.replace("\n", " ")
    assert "Dashed: 3 pruned, each up to the epoch at which it stopped" in page
    assert "Pruning (search=asha) stopped 3 of 4 jobs" in page
    assert '<section id="pruned">' in page
    assert '<section id="failures">' not in page


def test_a_pruned_job_resumes_to_its_end_and_the_command_without_pruning_trains_all(sweep, tmp_path):
    again = shutil.copytree(sweep.parents[1], tmp_path / "outputs") / "sweeps" / "s"
    one = next(name for name, path in jobs(again).items() if status(path) == "pruned")
    told = here(tmp_path, "resume", str(again / one))
    assert told.code == 0, told.err
    assert status(again / one) == "completed"
    told = here(tmp_path, *GRID[:-3])
    assert told.code == 0, told.err
    assert "4 of 4 jobs completed" in told.out
    assert "pruning (" not in told.out
    told = here(tmp_path, *GRID[:-1])
    assert "4 of 4 jobs completed" in told.out


def test_pruned_jobs_are_checked_on_request(sweep, tmp_path):
    again = shutil.copytree(sweep.parents[1], tmp_path / "outputs") / "sweeps" / "s"
    told = here(tmp_path, *GRID, "search.prune.check=2")
    assert told.code == 0, told.err
    assert "3 of 4 jobs completed, 1 pruned" in told.out
    assert "over the 3 jobs that ended" in told.out
    assert "of 2 pruned jobs that were checked would have been better" in told.out
    outcome = outcome_of(again)
    assert len(outcome.checked) == 2
    assert "17 of at most" in outcome.lines()[0].replace("\n", " ")
    assert f"{2 * 9 - sum(one.stopped for one in outcome.checked)} more for search.prune.check" in outcome.lines()[0]


def test_killed_as_it_trains_on_from_a_rung_a_job_goes_on(sweep, tmp_path):
    """Its results then tell of no epochs, while its figures at rungs stand."""
    again = shutil.copytree(sweep.parents[1], tmp_path / "outputs") / "sweeps" / "s"
    name = next(name for name, path in jobs(sweep).items() if status(path) == "completed")
    (again / name / "results.json").write_text('{"status": "running", "seed": 0}')
    told = here(tmp_path, *GRID)
    assert told.code == 0, told.out + told.err
    assert "failed" not in told.out
    same(again / name, sweep / name)


def test_where_the_first_rung_says_little_all_go_on_to_the_second_and_a_kill_changes_nothing(sweep, tmp_path, monkeypatch):
    """The ranks of a rung are made to be anything; who goes on later is still bit for bit the run that was never stopped."""
    monkeypatch.setattr(rung_ends, "ENOUGH", 3)
    monkeypatch.setattr(rung_ends, "WEAK", 2.0)
    typed = [*GRID, "search.prune.check=2"]
    write, places = Folder.write, [shutil.copytree(sweep.parents[1], tmp_path / name / "outputs") for name in ("a", "b")]
    told = here(tmp_path / "a", *typed)
    assert told.code == 0, told.err
    assert "too low to prune by, so all went on to the next rung" in told.out
    assert "over 3 jobs that had ended" in told.out
    assert all(len(rungs(path)["values"]) >= 2 for path in jobs(tmp_path / "a/outputs/sweeps/s").values())

    def kill(folder, name, content):
        write(folder, name, content)
        if name == "rungs.json" and folder.path.name == "s":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", kill)
        assert here(tmp_path / "b", *typed).code == 130
    assert here(tmp_path / "b", *typed).code == 0
    for name, path in jobs(places[0] / "sweeps/s").items():
        assert rungs(places[1] / "sweeps/s" / name) == rungs(path)
        same(path, places[1] / "sweeps/s" / name)
    assert "all went on to the next rung" in here(tmp_path / "a", "status", "outputs/sweeps/s").out.replace("\n", " ")
    (places[0] / "sweeps/s/rungs.json").write_text("{")
    damaged = here(tmp_path / "a", "status", "outputs/sweeps/s")
    assert (damaged.code, "whether the first rung prunes is decided anew" in damaged.err.replace("\n", " ")) == (2, True)


def test_rungs_stay_as_they_were_decided(sweep, tmp_path):
    shutil.copytree(sweep.parents[1], tmp_path / "outputs")
    told = here(tmp_path, *GRID[:-2], "search.prune.eta=3")
    assert told.code == 2
    assert "its jobs were pruned otherwise (eta 2 there, 3 here" in told.err.replace("\n", " ")


def test_seeds_of_a_setting_go_on_together(tmp_path):
    line = ["-m", "sweep=s", *TINY, "optimizer.lr=1e-3,1e-2", "seed=0,1", "search=asha", "search.prune.rungs=[0.3]"]
    told = here(tmp_path, *line, "search.prune.eta=2")
    assert told.code == 0, told.err
    ended = [path for path in jobs(tmp_path / "outputs" / "sweeps" / "s").values() if status(path) == "completed"]
    assert len(ended) == 2
    assert len({Folder(path).config()["optimizer"]["lr"] for path in ended}) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search.prune.eta=1"], "search.prune.eta=1: a number above 1"),
        (["search.prune.rungs=[1,3]"], "shares of the training"),
        (["search.prune.rungs=[0.1,0.12]"], "each wants an epoch of its own"),
        (["trainer.max_epochs=2"], "fewer epochs than search.prune.eta=3"),
        (["objective=test/se"], "a run has it at its end only"),
        (["objective=null"], "pruning wants one figure"),
        (["optimizer.lr=1e-3"], "1 setting, so that there is nothing to prune"),
        (["search.trials=3"], "search=asha alone prunes a grid"),
        (["search=[asha,median]"], "one way of pruning at a time"),
        (["search.prune.check=-1"], "search.prune.check=-1"),
        (["sweep.nested=true", "model.latent_dim=2,4"], "one of the two"),
        (["sweep.only=failed"], "who goes on is decided among all jobs"),
    ],
)
def test_bad_input_is_refused_before_anything_trains(tmp_path, words, said):
    given = {word.partition("=")[0] for word in words}
    usual = ["dataset=wine", "optimizer.lr=1e-3,1e-2", "trainer.max_epochs=9", "search=asha"]
    told = here(tmp_path, "-m", "sweep=x", *(word for word in usual if word.partition("=")[0] not in given), *words)
    assert told.code == 2
    assert said in told.err.replace("\n", " ")
    assert "Traceback" not in told.err
    assert not list(tmp_path.rglob("results.json"))


def test_pruning_wants_a_sweep(tmp_path):
    assert "it needs -m" in here(tmp_path, "search=asha").err
    told = here(tmp_path, "-m", "search.prune.eta=2", "seed=0,1").err
    assert "add search=asha" in told


def test_a_budget_that_ends_between_rungs_changes_nothing_of_who_goes_on(sweep, tmp_path, monkeypatch):
    """Whoever waits at a rung is not pruned for want of time, and the same command with more time ends as if it had had it."""
    calls = []

    def needed(config, path, trained, pause):
        calls.append(pause)
        return (0.0 if len(calls) < 6 else 1e9), 0.0

    bills = {"costs_of": lambda found, again=True: dict.fromkeys(found, COST), "cost_of_job": lambda config: COST}
    for name, value in bills.items():
        monkeypatch.setattr(costs, name, value)
    patched = pytest.MonkeyPatch()
    patched.setattr(budget, "_needed", needed)
    told = here(tmp_path, *GRID, "sweep.budget=1h")
    patched.undo()
    assert told.code == 0, told.err
    assert "of all jobs to their ends: pruning takes less" in told.out
    assert "does not go on: not begun" in told.out
    left = jobs(tmp_path / "outputs" / "sweeps" / "s")
    assert {status(path) for path in left.values()} == {"paused"}
    assert here(tmp_path, *GRID, "sweep.budget=2h").code == 0
    for name, path in jobs(tmp_path / "outputs" / "sweeps" / "s").items():
        assert status(path) == status(jobs(sweep)[name])
        same(path, jobs(sweep)[name])
