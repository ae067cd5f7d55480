"""Checkpoints are written by time, and whatever ends a run, it goes on as if nothing had."""

from pathlib import Path

import pytest
import torch

from aerun.trainer.checkpoints import Whole
from aerun.trainer.lightning import Training
from aerun.trainer.saved import copied
from tests.trainer.test_training import fit, weights

RUN = ["model=denoising", "dataset=wine", "trainer.max_epochs=12", "trainer.batch_size=32", "trainer.patience=50"]
RUN += ["trainer.accumulate=2"]
SELDOM = "trainer.save_every=1e6"


class Cut(BaseException):
    """An end that nothing expects."""


def checkpoint(folder, name):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def timeless(rows):
    return [{k: v for k, v in row.items() if k != "samples_per_second"} for row in rows]


def cut_off(monkeypatch, epoch, killed):
    """End training within an epoch; killed: nothing can be written then."""
    begin = Training.on_train_epoch_start

    def beginning(training):
        begin(training)
        if training.current_epoch == epoch:
            raise Cut

    monkeypatch.setattr(Training, "on_train_epoch_start", beginning)
    if killed:
        monkeypatch.setattr("aerun.trainer.checkpoints.write_at_end", lambda write: None)


@pytest.fixture
def writes(monkeypatch):
    """Each checkpoint that is written: its name, its epoch, and whether a step was taken before."""
    written, write = [], Whole.save_checkpoint

    def noted(self, checkpoint, path, storage_options=None):
        written.append((Path(path).stem, checkpoint["epoch"], checkpoint.get("steps", 1) > 0))
        write(self, checkpoint, path, storage_options)

    monkeypatch.setattr(Whole, "save_checkpoint", noted)
    return written


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder, the weights and the rows of the run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *fit(folder, *RUN, SELDOM)


def test_a_short_run_writes_when_it_begins_and_ends(tmp_path, writes):
    fit(tmp_path, *RUN, SELDOM)
    assert [w for w in writes if w[0] == "last"] == [("last", 0, False), ("last", 11, True)]
    assert [name for name, *_ in writes] == ["last", "best", "last"]


def test_without_a_pause_every_epoch_is_written(tmp_path, writes, whole):
    model, _ = fit(tmp_path, *RUN, "trainer.save_every=0")
    assert [epoch for name, epoch, begun in writes if name == "last" and begun] == list(range(12))
    assert torch.equal(weights(model), weights(whole[1]))
    for name in ("best", "last"):
        one, other = checkpoint(tmp_path, name), checkpoint(whole[0], name)
        assert one["epoch"] == other["epoch"]
        assert all(torch.equal(one["state_dict"][k], v) for k, v in other["state_dict"].items())


def ends_as(whole, folder):
    """Going on in `folder`, where training was cut off, ends as the run that nothing disturbed."""
    model, rows = fit(folder, *RUN, SELDOM, resume=True)
    assert torch.equal(weights(model), weights(whole[1]))
    assert timeless(rows) == timeless(whole[2])


@pytest.mark.parametrize(("killed", "pause", "kept"), [(False, "1e6", 7), (True, "1e6", 0), (True, "0", 7)])
def test_whatever_ends_it_it_goes_on_as_if_nothing_had(tmp_path, monkeypatch, whole, killed, pause, kept):
    """An end with words saves the epochs before it; a kill loses what was not yet written, and nothing more."""
    cut_off(monkeypatch, 8, killed)
    monkeypatch.setattr("aerun.trainer.checkpoints.HELD", 0.0)
    with pytest.raises(Cut):
        fit(tmp_path, *RUN, f"trainer.save_every={pause}")
    assert checkpoint(tmp_path, "last")["epoch"] == kept
    monkeypatch.undo()
    ends_as(whole, tmp_path)


def test_the_best_that_is_written_is_never_of_a_later_epoch(tmp_path, monkeypatch, whole):
    """Where the state is held seldom, the best epoch is that of the state that is held."""
    cut_off(monkeypatch, 8, killed=False)
    monkeypatch.setattr("aerun.trainer.checkpoints.HELD", 1e6)
    with pytest.raises(Cut):
        fit(tmp_path, *RUN, SELDOM)
    assert (checkpoint(tmp_path, "last")["epoch"], checkpoint(tmp_path, "best")["epoch"]) == (0, 0)
    monkeypatch.undo()
    ends_as(whole, tmp_path)


def test_what_cannot_be_saved_at_the_end_does_not_hide_why_it_ended(tmp_path, monkeypatch, caplog):
    cut_off(monkeypatch, 8, killed=False)

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aerun.trainer.checkpoints.Delayed.write", lambda self: self.held.last["steps"] and full(self))
    with pytest.raises(Cut):
        fit(tmp_path, *RUN, SELDOM)
    assert "the state of the last seconds could not be saved: [Errno 28] No space left on device" in caplog.text


def test_a_copy_shares_nothing_with_the_model():
    node = {"a": [torch.zeros(2), (torch.ones(1, requires_grad=True), 3)], "b": None}
    taken = copied(node)
    node["a"][0].add_(1)
    assert torch.equal(taken["a"][0], torch.zeros(2))
    assert not taken["a"][1][0].requires_grad
    assert taken["a"][1][1:] == (3,)
