"""`trainer.max_time`: training ends in time by its own clock, which here ticks with its steps."""

import json
import re

import pytest
import torch

from aerun.core.errors import AerunError, StoppedError
from aerun.runs.checkpoint import read
from aerun.trainer import time_limit
from aerun.trainer.lightning import Training
from tests.conftest import built
from tests.shell import here, metrics
from tests.trainer.test_training import fit

QUICK = ("trainer.batch_size=100", "trainer.limit_batches=4", "trainer.steps_per_call=1", "trainer.max_epochs=6")


@pytest.fixture
def ticking(monkeypatch):
    """A second a step, and three for every validation; `slow` makes the steps of one epoch longer."""
    slow = {}

    def spent(self):
        extra = sum((seconds - 1) * max(0, min(4, self.steps - 4 * epoch)) for epoch, seconds in slow.items())
        return self.steps + 3 * (self.steps // 4) + extra

    monkeypatch.setattr(Training, "spent", spent)
    return slow


def limited(folder, limit, *more, resume=False):
    model, rows = fit(folder, *QUICK, *([f"trainer.max_time={limit}"] if limit else []), *more, resume=resume)
    return torch.cat([p.detach().flatten() for p in model.parameters()]), rows


def test_training_ends_before_the_epoch_that_would_not_end_in_time(tmp_path, ticking):
    """Epochs take 7 s: after 3 of them 21 have passed, and a fourth would end at 28."""
    _, rows = limited(tmp_path, 27)
    assert len(rows) == 3
    assert not read(tmp_path)["ended"]  # more time goes on with it
    assert len(limited(tmp_path / "b", 30)[1]) == 4


def test_a_longer_time_goes_on_as_if_it_had_never_ended(tmp_path, ticking):
    limited(tmp_path / "a", 16)
    long, rows = limited(tmp_path / "a", None, resume=True)
    straight, expected = limited(tmp_path / "b", None)
    assert torch.equal(long, straight)
    assert [r["val/loss"] for r in rows] == [r["val/loss"] for r in expected]
    assert len(rows) == 6


def test_the_same_time_trains_no_further(tmp_path, ticking):
    limited(tmp_path, 16)
    before = read(tmp_path)
    limited(tmp_path, 16, resume=True)
    assert read(tmp_path)["steps"] == before["steps"] == 8


def test_an_epoch_that_becomes_slow_is_left_at_a_step_and_is_not_kept(tmp_path, ticking):
    """Two epochs end at 14; the third, ten times as slow, has come to 22 when a step ends after the limit of 21."""
    ticking[2] = 10
    model, rows = limited(tmp_path, 21)
    assert len(rows) == 2
    assert read(tmp_path)["steps"] == 8
    assert torch.equal(model, limited(tmp_path / "b", 16)[0])


def test_a_first_epoch_that_is_too_long_is_cut_short_and_stands(tmp_path, ticking):
    cut, rows = limited(tmp_path, 2)
    assert len(rows) == 1
    assert (rows[0]["step"], read(tmp_path)["steps"]) == ("2", 2)
    assert torch.equal(cut, limited(tmp_path, 2, resume=True)[0])  # nothing more to do
    anew, _ = limited(tmp_path, 16, resume=True)  # part of an epoch is no place to go on from
    assert torch.equal(anew, limited(tmp_path / "b", 16)[0])


def test_a_reserved_moment_interrupts_and_the_run_goes_on_bit_for_bit(tmp_path, monkeypatch):
    times = iter(range(1000))
    monkeypatch.setattr(time_limit, "Reserved", lambda at: real(at, lambda: next(times)))
    time_limit.interrupt_at(9)
    try:
        with pytest.raises(StoppedError, match="stopped at its time limit"):
            limited(tmp_path / "a", None)
    finally:
        time_limit.interrupt_at(None)
    assert read(tmp_path / "a")["steps"] < 12
    assert torch.equal(limited(tmp_path / "a", None, resume=True)[0], limited(tmp_path / "b", None)[0])


real = time_limit.Reserved


def test_a_run_says_that_its_time_ended_it_and_resume_gives_it_more(tmp_path, ticking):
    where = tmp_path / "run"
    typed = [*QUICK, "trainer.max_time=16s", "model.arch.hidden=[8]", "pictures=[]", "trainer.progress=false"]
    told = here(tmp_path, *typed, f"hydra.run.dir={where}")
    assert told.code == 0, told.err
    results = json.loads((where / "results.json").read_text())
    words = "trainer.max_time ended training after 2 epochs of 6: the best so far, epoch 2, is evaluated"
    assert results["stopped"] == words
    assert words in told.out + told.err
    assert results["test/se"] > 0
    assert re.search(r"out of time: epoch 2 of 6 planned, best 2 \(on: aerun resume \S+ --time LONGER\)", told.out)
    assert "more time: --time LONGER" in here(tmp_path, "resume", "run").out
    assert "only more can be asked for" in here(tmp_path, "resume", "run", "--time", "10s").err
    assert here(tmp_path, "resume", "run", "--time", "1h").code == 0
    assert len(metrics(where)) == 6
    assert "stopped" not in json.loads((where / "results.json").read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trainer.max_time=soon", r"trainer\.max_time=soon: must be a time above zero"),
        ("trainer.max_time=10m trainer=stacked model.arch.hidden=[4]", "trainer=stacked has one for each layer"),
        ("trainer.max_time=10m trainer.devices=2", "each process has a clock of its own"),
    ],
)
def test_times_that_cannot_be_kept_are_refused(words, message):
    with pytest.raises(AerunError, match=message):
        built(*words.split())
