"""`--bill`: nothing is kept but the bill, and a run is held against it. Clocks count work: passes of the model, and tests."""

import json
import random

import pytest
import torch

from aerun.autoencoder import Autoencoder
from aerun.bill import machine, past, probe, timing
from tests.shell import here

QUICK = ("model.arch.hidden=[8]", "trainer.batch_size=40", "trainer.max_epochs=6", "pictures=[]", "trainer.progress=false")


class Work:
    """A clock that tells the work that was done: 1 a pass of training, 10 a pass of evaluation."""

    def __init__(self):
        self.done = 0.0

    def process_time(self):
        return self.done

    def perf_counter(self):
        return 2 * self.done  # half of the time others are at work

    def time(self):
        return 0.0

    def strftime(self, form):
        return "now"


@pytest.fixture
def work(monkeypatch):
    clock, objective, forward = Work(), Autoencoder.objective, Autoencoder.forward

    def worked(self, x, progress, *more, **about):
        clock.done += 1
        return objective(self, x, progress, *more, **about)

    def passed(self, *args, **about):
        clock.done += 0 if torch.is_grad_enabled() else 10
        return forward(self, *args, **about)

    monkeypatch.setattr(Autoencoder, "objective", worked)
    monkeypatch.setattr(Autoencoder, "forward", passed)
    for module in (probe, timing, past):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(machine, "busy", lambda: False)
    return clock


def test_a_bill_trains_nothing_and_keeps_nothing_but_itself(tmp_path, work):
    before = random.getstate(), torch.get_rng_state()
    told = here(tmp_path, *QUICK, "--bill")
    assert told.code == 0, told.err
    assert [p.parts[-2] for p in tmp_path.rglob("*") if p.is_file()] == ["bills"]
    assert torch.equal(before[1], torch.get_rng_state())
    for word in ("time     about", "6 epochs of", "32 steps", "memory", "disk", "MFLOP", "parameters"):
        assert word in told.out, word
    assert "outputs/bills/" in told.out


def test_the_run_keeps_the_truth_beside_the_bill_and_the_next_bill_has_learned_from_it(tmp_path, work):
    """P150: with clocks that tell nothing but work, true over predicted is 1, and low < 1 < high."""
    here(tmp_path, *QUICK, "--bill")
    assert here(tmp_path, *QUICK, "seed=5", "optimizer.lr=1e-4", f"hydra.run.dir={tmp_path}/run").code == 0
    kept = json.loads((tmp_path / "run/bill.json").read_text())
    ratio = kept["took"]["cpu"] / kept["predicted"]["cpu"]
    assert ratio == pytest.approx(1, abs=0.03)
    assert kept["took"]["seconds"] == pytest.approx(2 * kept["took"]["cpu"])
    known = past.Calibration()
    assert 1 / known.reach < ratio < known.reach
    (row,) = json.loads((tmp_path / "outputs/bills/past.json").read_text())["runs"]
    assert row["ratio"] == pytest.approx(ratio)
    assert "the one billed run of this machine took" in here(tmp_path, *QUICK, "--bill").out


def test_a_run_without_a_bill_keeps_none(tmp_path):
    assert here(tmp_path, *QUICK, "trainer=smoke", f"hydra.run.dir={tmp_path}/run").code == 0
    assert not (tmp_path / "run/bill.json").exists()
    assert not (tmp_path / "outputs").exists()


def test_damaged_bills_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / past.PLACE).mkdir(parents=True)
    for content in ("{", '{"runs": 3}', '{"runs": [1, {"ratio": "x"}]}'):
        (tmp_path / past.PLACE / past.PAST).write_text(content)
        assert past.learned() == past.Calibration()


def test_mistakes_of_a_run_are_mistakes_of_its_bill(tmp_path):
    told = here(tmp_path, "model.latent_dim=-1", "--bill")
    assert (told.code, list(tmp_path.iterdir())) == (2, [])
    assert "latent_dim" in told.err
    devices = here(tmp_path, "trainer.devices=2", "trainer.accelerator=cpu", "--bill")
    assert "a bill is made on one device" in devices.err
