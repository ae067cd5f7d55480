"""A run that was stopped goes on as if it never had been."""

import io
import json
import shutil
import signal

import pytest
import torch
import yaml

from aerun.core.errors import StoppedError
from aerun.trainer.checkpoints import Whole
from tests import loaded
from tests.shell import figures, here, metrics, outside, start, stopped, timeless

# Noise in the input, a learning rate that depends on the whole length, and long enough to be stopped on the way.
RUN = ["model=denoising", "model.arch.hidden=[32]", "trainer.max_epochs=150", "schedule=cosine", "pictures=[]"]
SIGNALS = {
    signal.SIGTERM: (143, "terminated"),
    signal.SIGINT: (130, "interrupted"),
    signal.SIGHUP: (129, "terminal closed"),
    signal.SIGKILL: (-signal.SIGKILL, "running"),
}


def checkpoint(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def status(folder):
    return json.loads((folder / "results.json").read_text())["status"]


def same(a, b):
    """Nested dictionaries, lists and tensors that agree to the last bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of the run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert here(folder, *RUN, f"hydra.run.dir={folder}").code == 0
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run of one epoch."""
    folder = tmp_path_factory.mktemp("finished")
    assert here(folder, "trainer=smoke", "pictures=[]", "hydra.run.dir=run").code == 0
    return folder / "run"


@pytest.fixture
def short(finished, tmp_path):
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.mark.parametrize(
    "signum",
    [pytest.param(s, marks=[] if s == signal.SIGKILL else [pytest.mark.slow], id=s.name) for s in SIGNALS],
)
def test_stopped_and_resumed_is_the_same_run(whole, tmp_path, signum):
    code, word = SIGNALS[signum]
    folder = tmp_path / "run"
    often = ["trainer.save_every=0"]  # else an end may lose half a second, which is more than five epochs here
    begin = start if signum == signal.SIGTERM else loaded.start
    told = stopped(begin(tmp_path, *RUN, *often, "hydra.run.dir=run"), signum, folder, epochs=5)
    assert told.code == code, told
    assert "Traceback" not in told.err
    assert status(folder) == word
    if signum != signal.SIGKILL:
        assert told.err.startswith(f"aerun: {word}.")
        assert "aerun resume run continues" in told.err

    last, best = checkpoint(folder), checkpoint(folder, "best")
    assert 0 < last["epoch"] < len(timeless(whole)) - 1
    # `best` is written first: a stop between the two leaves it one epoch ahead.
    assert best["epoch"] <= last["epoch"] + 1
    assert not list((folder / "checkpoints").glob(".*")) or signum == signal.SIGKILL

    resume = outside if signum == signal.SIGTERM else here
    told = resume(tmp_path, "resume", "run")
    assert told.code == 0, told
    assert status(folder) == "completed"
    assert timeless(folder) == timeless(whole)
    for name in ("best", "last"):
        ours, theirs = checkpoint(folder, name), checkpoint(whole, name)
        assert ours["epoch"] == theirs["epoch"]
        assert same(ours["state_dict"], theirs["state_dict"])
        assert same(ours["optimizer_states"], theirs["optimizer_states"])
    assert figures(folder) == figures(whole)


def test_a_complete_run_is_left_alone(short, tmp_path):
    before = {p: p.read_bytes() for p in short.rglob("*") if p.is_file()}
    told = here(tmp_path, "resume", "run")
    assert told.code == 0
    assert "complete: nothing to resume" in told.out
    assert {p: p.read_bytes() for p in short.rglob("*") if p.is_file()} == before


def test_more_epochs(short, tmp_path):
    """Asked for by number, a complete run goes on; what it had is kept."""
    first = timeless(short)
    told = here(tmp_path, "resume", "run", "--epochs", "3")
    assert told.code == 0, told
    assert timeless(short)[:1] == first
    assert [r["epoch"] for r in metrics(short)] == [0, 1, 2]
    assert yaml.safe_load((short / "config.yaml").read_text())["trainer"]["max_epochs"] == 3


def test_no_checkpoint_starts_over(short, tmp_path):
    """Stopped before its first checkpoint, a run has lost nothing: it begins again."""
    before = timeless(short)
    shutil.rmtree(short / "checkpoints")
    (short / "results.json").write_text('{"status": "running"}')
    assert here(tmp_path, "resume", "run").code == 0
    assert timeless(short) == before


def test_a_damaged_checkpoint_is_told(short, tmp_path):
    path = short / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:1000])
    (short / "results.json").write_text('{"status": "running"}')
    told = here(tmp_path, "resume", "run")
    assert told.code != 0
    assert "last.ckpt" in told.err
    assert len(told.err.splitlines()) <= 2


def test_code_in_a_checkpoint_is_not_run(short, tmp_path):
    """A checkpoint is data: one that would run code as it is read is refused."""
    torch.save(Evil(tmp_path / "done"), short / "checkpoints" / "last.ckpt")
    (short / "results.json").write_text('{"status": "running"}')
    told = here(tmp_path, "resume", "run")
    assert told.code != 0
    assert not (tmp_path / "done").exists()
    assert len(told.err.splitlines()) <= 2


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


@pytest.mark.parametrize(
    ("key", "node"),
    [
        ("dataset", {"_target_": "os.system", "command": "touch DONE"}),
        ("dataset", {"_target_": "builtins.eval", "_args_": ["open('DONE', 'w')"]}),
        ("dataset", {"_target_": "subprocess.Popen", "args": "touch DONE", "shell": True}),
        ("dataset", {"_target_": "aerun.runs.folder.subprocess.Popen", "args": "touch DONE", "shell": True}),
        ("dataset", {"_target_": "aerun.runs.folder.os.system", "command": "touch DONE"}),
        (
            "schedule",
            {"_target_": "aerun.schedule.cosine.Cosine", "warmup": {"_target_": "os.system", "command": "touch DONE"}},
        ),
        ("optimizer", {"_target_": "builtins.open", "file": "DONE", "mode": "w"}),
    ],
    ids=lambda v: v if isinstance(v, str) else str(v["_target_"]),
)
def test_a_foreign_target_is_not_run(short, tmp_path, key, node):
    """A folder may come from anyone: only aerun's own classes and torch's optimizers are built from it."""
    config = yaml.safe_load((short / "config.yaml").read_text())
    (short / "config.yaml").write_text(yaml.safe_dump({**config, key: node}).replace("DONE", str(tmp_path / "done")))
    (short / "results.json").write_text('{"status": "running"}')
    told = here(tmp_path, "resume", "run")
    assert told.code == 2, told
    assert not (tmp_path / "done").exists()
    assert told.err.startswith("aerun: error: ")
    assert len(told.err.splitlines()) <= 2
    assert key in told.err


@pytest.mark.parametrize(
    "text", ["", "- 1\n", "seed: 0\n", "seed: [\n", "\0"], ids=["empty", "list", "torn", "no yaml", "no text"]
)
def test_a_damaged_config_is_told(short, tmp_path, text):
    (short / "config.yaml").write_text(text)
    (short / "results.json").write_text('{"status": "running"}')
    told = here(tmp_path, "resume", "run")
    assert told.code == 2, told
    assert told.err.startswith("aerun: error: ")
    assert "config.yaml" in told.err
    assert len(told.err.splitlines()) <= 2


@pytest.mark.parametrize(
    "more",
    [["optimizer.lr=1e12"], ["optimizer.lr=1e38", "trainer.batch_size=2000"]],
    ids=["within an epoch", "at an epoch's last step"],
)
def test_an_infinite_loss_ends_the_run_and_spares_the_checkpoint(tmp_path, more):
    told = here(tmp_path, "optimizer=sgd", *more, "hydra.run.dir=run")
    folder = tmp_path / "run"
    assert told.code == 1
    assert told.err.startswith("aerun: error: loss is not finite at step 1 ")
    assert "reconstruction" in told.err
    assert status(folder) == "failed"
    last = checkpoint(folder)
    assert all(t.isfinite().all() for t in last["state_dict"].values())
    # What is kept was good: the loss of its epoch is a number.
    assert all(r["val/loss"] < float("inf") for r in metrics(folder) if r["step"] <= last["steps"])


def test_a_stop_while_a_checkpoint_is_written_is_a_stop(tmp_path, monkeypatch):
    """torch's writer, cut short, raises an error of its own; the older checkpoint stays."""

    class Cut(io.BytesIO):
        def write(self, part):
            if self.tell():
                raise StoppedError(130)
            return super().write(part)

    place = tmp_path / "checkpoints" / "last.ckpt"
    Whole().save_checkpoint({"steps": 1}, place)
    monkeypatch.setattr("aerun.core.files.open", lambda *_, **__: Cut(), raising=False)
    with pytest.raises(StoppedError):
        Whole().save_checkpoint({"weights": torch.zeros(100_000)}, place)
    assert torch.load(place, weights_only=True) == {"steps": 1}
