"""`sweep.budget` and `sweep.bill`. Clocks are the tests' own: no test waits, and none asks what time it is."""

import json
import random
from dataclasses import replace

import pytest

from aerun.bill import past
from aerun.sweep import budget, costs
from aerun.sweep.billed import Bill
from aerun.sweep.grid import Grid
from aerun.sweep.standing import standings
from aerun.trainer import time_limit
from tests.bill.test_cost import COST, SIZE
from tests.shell import here

QUICK = ("trainer=smoke", "pictures=[]", "trainer.progress=false", "model.arch.hidden=[4]")


@pytest.fixture
def bills(monkeypatch, tmp_path):
    """Bills that cost nothing to make; nothing is known of past runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(costs, "judged", None)
    monkeypatch.setattr(costs, "probe", lambda config, judge, in_sweep: COST)


class Clock:
    """The time of a sweep whose jobs take what the test says."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def done(clock, folder, name, steps, ending):
    """Do a job whose training takes these steps, and what follows `ending`; return whether it began, and ended."""
    with budget.begun({"name": name, "dataset": {}, "trainer": {}}, folder / name, False, now=clock) as why:
        if why:
            return False, False
        limits = time_limit.reserved()
        for step in steps:
            clock.now += step
            if any(clock.now >= one.at for one in limits):
                return True, False
        clock.now += ending
        return True, True


@pytest.mark.parametrize("worse", [0.8, 1.0, 1.6, 3.0])
def test_a_budget_is_overrun_by_5_percent_at_most_and_nothing_begins_that_cannot_end(tmp_path, monkeypatch, worse):
    """P149: jobs of other lengths than their bills, and bills that are all too low by a factor."""
    monkeypatch.chdir(tmp_path)
    rng, known = random.Random(0), {}
    for n in range(60):
        scale = rng.uniform(0.2, 3)
        cost = replace(COST, step=COST.step * scale, epoch=COST.epoch * scale, clock=(1.0, 1.0, 1.0), end=0.2 * scale)
        known[str(n)] = cost
    monkeypatch.setattr(costs, "cost_of_job", lambda config: known[config["name"]])
    for seconds in (100.0, 400.0):
        clock, ends, refused = Clock(), [], []
        with budget.within(seconds, 0.0, tmp_path):
            for name, cost in known.items():
                factor = worse * rng.lognormvariate(0, 0.15)
                left = seconds - clock.now
                steps = [cost.training(SIZE.epochs) * factor / 50] * 50
                began, ended = done(clock, tmp_path, name, [cost.begin + cost.fit, *steps], cost.end * factor)
                assert began or cost.seconds() * past.learned().reach > left  # what fits is begun
                assert not began or cost.seconds() < left  # and nothing else
                (ends if ended else refused).append(name)
        assert clock.now <= 1.05 * seconds
        assert ends
        assert refused


def test_jobs_for_which_there_is_no_time_are_left_out_and_a_larger_budget_goes_on(bills, tmp_path, monkeypatch):
    """One is not begun; the training of another takes too long and is interrupted."""
    needed = budget._needed
    times = {0: (0.0, 0.0), 1: (1e9, 0.0), 2: (0.0, 3600.0)}
    monkeypatch.setattr(budget, "_needed", lambda config, *more: times[config["seed"]])
    told = here(tmp_path, "-m", "sweep=s", "seed=0,1,2", *QUICK, "sweep.budget=1h")
    assert told.code == 0, told.err
    assert "not begun: takes up to" in told.out
    assert "sweep.budget of 60 min is used up: 1 job not begun: seed=1" in told.out
    assert "sweep.budget of 60 min is used up: 1 job stopped: seed=2" in told.out
    assert "1 of 1 jobs completed" in told.out
    status = here(tmp_path, "status", "outputs/sweeps/s")
    assert "1 of 3 jobs done, 1 stopped, 1 waiting" in status.out
    assert "budget   60 min, over; 1 job not begun: seed=1" in status.out
    assert here(tmp_path, "report", "outputs/sweeps/s").code == 0
    page = (tmp_path / "outputs/sweeps/s/report.html").read_text()
    assert "Its sweep.budget left 1 job not begun: seed=1." in page
    bill = json.loads((tmp_path / "outputs/sweeps/s/bill.json").read_text())
    assert (len(bill["predicted"]["jobs"]), len(bill["took"]["jobs"])) == (3, 1)
    monkeypatch.setattr(budget, "_needed", needed)
    again = here(tmp_path, "-m", "sweep=s", "seed=0,1,2", *QUICK, "sweep.budget=2h")
    assert "gone on with" in again.out
    assert "3 of 3 jobs completed" in again.out, again.out + again.err


def test_a_search_stops_to_draw_and_takes_up_later_what_it_had_drawn(bills, tmp_path, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    typed = ("-m", "sweep=o", "search=own", "optimizer.lr=interval(0.001,0.1)", "search.trials=3", *QUICK)
    needed, seen = budget._needed, []

    def enough(config, *more):
        seen.append(config["optimizer"]["lr"])
        return (0.0 if len(seen) < 2 else 1e9), 0.0

    monkeypatch.setattr(budget, "_needed", enough)
    told = here(tmp_path, *typed, "sweep.budget=1h")
    assert (told.code, len(seen)) == (0, 2), told.out + told.err
    assert "1 of 3 trials completed, 2 left" in told.out
    monkeypatch.setattr(
        budget, "_needed", lambda config, *more: (seen.append(config["optimizer"]["lr"]), needed(config, *more))[1]
    )
    again = here(tmp_path, *typed, "sweep.budget=1h")
    assert "3 of 3 trials completed" in again.out, again.out + again.err
    assert seen[2] == seen[1]  # the point for which there was no time comes first


def test_a_bill_alone_makes_no_sweep_and_tells_of_all_jobs(bills, tmp_path):
    told = here(tmp_path, "-m", "sweep=s", "model.latent_dim=2,3", "seed=0,1", *QUICK, "--bill")
    assert told.code == 0, told.err
    assert "4 jobs of 1 shape" in told.out  # they share COST here, whatever their size
    assert not (tmp_path / "outputs/sweeps").exists()
    searched = here(tmp_path, "-m", "search=own", "optimizer.lr=interval(0.001,0.1)", "search.trials=9", *QUICK, "--bill")
    assert "9 jobs" in searched.out
    assert not (tmp_path / "outputs/sweeps").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sweep.budget=soon", "sweep.budget=soon: must be a time above zero, such as 90s, 10m, 1h30m or 2d."),
        ("sweep.budget=1s", "sweep.budget=1s: is below one job: the shortest takes up to"),
        ("sweep.budget=1h sweep.fuse=true", "leave one of the two out"),
        ("sweep.bill=maybe", "sweep.bill=maybe: must be true or false."),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused_before_anything_trains(bills, tmp_path, words, message):
    told = here(tmp_path, "-m", "sweep=s", "seed=0,1", *QUICK, *words.split())
    assert told.code == 2
    assert message in told.err
    assert not (tmp_path / "outputs/sweeps").exists()


def test_shapes_that_differ_in_sizes_alone_are_measured_at_four_of_them(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    measured = []

    def size(config):
        return replace(SIZE, flop=float(config["model"]["latent_dim"]))

    def probe(config, judge, in_sweep):
        measured.append(config["model"]["latent_dim"])
        return replace(COST, size=size(config), step=0.01 * config["model"]["latent_dim"])

    monkeypatch.setattr(costs, "probe", probe)
    monkeypatch.setattr(costs, "size_of", size)
    jobs = {str(n): {"model": {"latent_dim": n}, "dataset": {}, "trainer": {}} for n in range(1, 31)}
    found = costs.costs_of(jobs)
    assert (len(found), len(measured), min(measured), max(measured)) == (30, 4, 1, 30)
    assert found["7"].step == pytest.approx(0.07)
    assert costs.costs_of(jobs, again=False) == found  # a budget does not measure again
    assert len(measured) == 4


def test_status_says_how_much_is_left_while_it_runs(tmp_path):
    Grid("aerun -m ...", {"a": ["seed=0"], "b": ["seed=1"]}).save(tmp_path)
    (tmp_path / budget.FILE).write_text(json.dumps({"seconds": 3600, "began": 0, "ends": 3600}))
    found = standings(tmp_path, Grid("", {"a": ["seed=0"], "b": ["seed=1"]}))
    assert budget.line(tmp_path, found, 3000) == "budget   10 min of 60 min left"
    assert budget.line(tmp_path, found, 3700) == "budget   60 min, over; 2 jobs not begun: seed=0, seed=1"
    (tmp_path / budget.FILE).write_text("{")
    assert "budget.json is damaged: what is left" in budget.line(tmp_path, found, 3000)
    assert "budget.json is damaged" in budget.sentence(tmp_path)
    (tmp_path / budget.FILE).unlink()
    assert budget.line(tmp_path, found, 3000) == budget.sentence(tmp_path) == ""


def test_damaged_bills_and_budgets_are_told_and_written_anew(bills, tmp_path, monkeypatch):
    typed = ("-m", "sweep=s", *QUICK, "sweep.budget=1h", "sweep.extend=true")
    sweep, past_file = tmp_path / "outputs/sweeps/s", tmp_path / past.PLACE / past.PAST
    assert here(tmp_path, *typed, "seed=0,1").code == 0
    for path in (sweep / "bill.json", sweep / budget.FILE, past_file):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"seconds": 36')
    told = here(tmp_path, *typed, "seed=2,3")
    assert told.code == 0, told.err
    assert "bill.json is damaged, and written anew" in told.out
    assert "budget.json: damaged, and written anew: a budget counts from the start of its command" in told.out
    assert told.err.count("past.json: damaged: bills are not corrected by past runs") == 1
    assert {"predicted", "began", "took"} == set(json.loads((sweep / "bill.json").read_text()))
    settle = Bill.settle

    def cut(bill, folder):
        (folder / "bill.json").write_text("{")
        settle(bill, folder)

    monkeypatch.setattr(Bill, "settle", cut)
    told = here(tmp_path, *typed, "seed=4,5")
    assert "bill.json was damaged while jobs ran" in told.out
    assert set(json.loads((sweep / "bill.json").read_text())) == {"predicted"}
