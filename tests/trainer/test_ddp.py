"""trainer.devices=N: one model on several processes is the model that one trains, and no process is left behind."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.dataset.storage.mapped import mapped
from aerun.trainer.base import batch_readers
from aerun.trainer.batches import Batches
from aerun.trainer.ranks import Ranks
from tests import loaded
from tests.conftest import built
from tests.runs.test_resume import checkpoint, status
from tests.shell import here, outside, stopped, timeless

# The last batch of 1257 samples has one row, fewer than there are ranks; a gradient's norm is that of the whole batch.
RUN = ["model.arch.hidden=[32]", "trainer.batch_size=157", "trainer.gradient_clip=0.5", "trainer.max_epochs=40", "pictures=[]"]
TWO = [*RUN, "trainer.devices=2"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of the run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert here(folder, *RUN, f"hydra.run.dir={folder}").code == 0
    return folder


def assert_same_run(folder, other):
    """Weights and every row of metrics.csv, to rounding."""
    ours, theirs = checkpoint(folder)["state_dict"], checkpoint(other)["state_dict"]
    for key in theirs:
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-3, atol=1e-4)
    assert len(timeless(folder)) == len(timeless(other))
    for row, expected in zip(timeless(folder), timeless(other), strict=True):
        assert row == pytest.approx(expected, rel=1e-4)


def helpers_of(pid):
    """Processes that this one has started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # gone meanwhile
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def gone(pids):
    """Have they all ended, within a while?"""
    for _ in range(500):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(alone, tmp_path):
    told = outside(tmp_path, *TWO, "hydra.run.dir=run")
    assert told.code == 0, told.err
    assert told.err == ""
    assert "test split" in told.out
    folder = tmp_path / "run"
    assert_same_run(folder, alone)
    assert {p.name.split(".")[0] for p in folder.iterdir()} == {p.name.split(".")[0] for p in alone.iterdir()}
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)
def test_stopped_and_resumed_it_is_the_same_run(alone, tmp_path, signum):
    folder = tmp_path / "run"
    process = loaded.start(tmp_path, *TWO, "hydra.run.dir=run")
    while not (folder / "metrics.csv").exists() and process.poll() is None:
        time.sleep(0.01)
    helpers = helpers_of(process.pid)
    assert len(helpers) == 1
    told = stopped(process, signum, folder, epochs=3)
    assert told.code == {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143}[signum], told
    assert gone(helpers)
    assert checkpoint(folder)["epoch"] < 39
    told = here(tmp_path, "resume", "run")
    assert told.code == 0, told
    assert told.err == ""
    assert_same_run(folder, alone)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_in_words(tmp_path):
    process = loaded.start(tmp_path, *TWO, "trainer.max_epochs=100000", "hydra.run.dir=run")
    while not (tmp_path / "run" / "metrics.csv").exists() and process.poll() is None:
        time.sleep(0.01)
    os.kill(helpers_of(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.endswith("\naerun: error: process 2 of 2 was killed (signal 9), perhaps for want of memory.\n")
    assert status(tmp_path / "run") == "failed"


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_every_process(tmp_path):
    before = set(helpers_of(os.getpid()))
    told = here(tmp_path, "optimizer=sgd", "optimizer.lr=1e12", "trainer.devices=2", "hydra.run.dir=run")
    assert told.code == 1
    assert told.err.startswith("aerun: error: loss is not finite at step 1 ")
    assert status(tmp_path / "run") == "failed"
    assert gone(set(helpers_of(os.getpid())) - before)


@pytest.mark.slow
def test_from_python(tmp_path):
    """The program that trains is not started again."""
    import aerun

    model = aerun.train("model=vae", "trainer=smoke", "trainer.devices=2", "pictures=[]", folder=tmp_path / "run")
    assert model.results["epochs"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ["trainer.devices=2", "seed=0,1"],
        ["trainer.devices=1,2"],
        ["++trainer.devices=2"],
        ["--config-dir=mine", "trainer=two"],
        ["--config-dir=mine", "+own=devices"],
        ["--config-dir=mine", "search=devices"],
    ],
)
def test_a_sweep_is_refused(tmp_path, words):
    for name, text in {
        "trainer/two": "defaults: [joint]\ndevices: 2\n",
        "own/devices": "# @package _global_\nhydra: {sweeper: {params: {trainer.devices: '1,2'}}}\n",
        "search/devices": "# @package search\nspace: {trainer.devices: '1,2'}\n",
    }.items():
        path = tmp_path / "mine" / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    told = here(tmp_path, "-m", *words)
    assert told.code == 2
    assert "in a sweep every run has one device" in told.err
    assert "sweep.jobs=N" in told.err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=sparse_kl"], "regularizer=rate needs the whole"),
        (["model=adversarial"], "regularizer=adversarial needs the whole"),
        (["model=vqvae"], "model/bottleneck=vq needs the whole"),
        (["model=sigma_vae"], "model/loss=gaussian needs the whole"),
        (["model=conv", "model.arch.norm=batch"], "batch norm needs the whole"),
        (["trainer=stacked"], "trainer=stacked trains on one"),
        (["trainer.accelerator=cpu", "trainer.devices=1000"], "processes train one model on this machine"),
        (["trainer.devices=0"], "trainer.devices=0: must be an integer of at least 1"),
    ],
    ids=lambda v: v[0] if isinstance(v, list) else "",
)
def test_what_one_device_would_train_otherwise_is_refused(words, said):
    with pytest.raises(AerunError) as refused:
        built("trainer.devices=2", *words)
    assert said in str(refused.value)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for accelerator in ("gpu", "auto"):
        with pytest.raises(AerunError, match=r"torch sees 1 GPU here. Use trainer.devices=1, or trainer.accelerator=cpu"):
            built("trainer.devices=2", f"trainer.accelerator={accelerator}")
    assert built("trainer.devices=2", "trainer.accelerator=cpu").trainer.devices == 2


@pytest.mark.parametrize("model", ["ae", "vae", "topk", "vqvae", "sigma_vae", "rae", "contractive", "inpainting"])
def test_who_needs_the_whole_batch_is_known(model):
    """Buffers that move with the batches of training are those of parts that say so."""
    plan = built(f"model={model}")
    before = {k: v.clone() for k, v in plan.autoencoder.named_buffers()}
    plan.autoencoder.train().objective(torch.rand(8, *plan.facts.shape), 0.5)
    moved = any(not torch.equal(v, before[k]) for k, v in plan.autoencoder.named_buffers())
    assert moved == bool(batch_readers(plan.autoencoder))


@pytest.mark.parametrize("number", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 2, 6, 100, 103])
def test_shares_of_a_batch_weigh_what_they_hold(number, n):
    x = torch.arange(1000).double()
    shares = [Ranks(rank, number).share(10, 10 + n) for rank in range(number)]
    assert sum(float(x[s.rows].mean()) * s.weight for s in shares) == pytest.approx(float(x[10 : 10 + n].mean()))
    assert sum(s.weight for s in shares) == pytest.approx(1)
    assert {s.samples for s in shares} == {n}


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("seed", [None, 7])
def test_ranks_share_an_epoch(tmp_path, seed, on_disk):
    """In training every batch, in validation the batches; nothing twice, nothing left out, the same number of calls."""
    (tmp_path / "data").write_bytes(bytes(range(103)))
    x = mapped(tmp_path / "data", (), (103,))[0] if on_disk else torch.arange(103).byte()
    of = [Batches(x, batch_size=10, per_call=4, seed=seed, drop_last=False, limit=None, ranks=Ranks(r, 3)) for r in range(3)]
    calls = [[list(call) for call in batches] for batches in of]
    assert len({len(c) for c in calls}) == 1 == len({len(b) for b in of})
    taken = [row for rank in calls for call in rank for batch in call for row in batch.tolist()]
    assert sorted(taken) == list(range(103))
