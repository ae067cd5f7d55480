"""Runs whose folder, or whose data, are somewhere else than when they were trained."""

import shutil

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.core.paths import data_paths, with_data
from tests.shell import here, metrics, timeless

SHORT = ("model.arch.hidden=[8]", "trainer.max_epochs=3", "trainer.progress=false", "pictures=[]")


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A run on two arrays."""
    place = tmp_path_factory.mktemp("there")
    x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    np.save(place / "x.npy", x)
    np.save(place / "y.npy", np.arange(60) % 2)
    told = here(place, "dataset=array", "dataset.path=x.npy", "dataset.labels=y.npy", "hydra.run.dir=run", *SHORT)
    assert told.code == 0, told.err
    return place


@pytest.fixture
def moved(there, tmp_path):
    """The run and its data elsewhere."""
    shutil.copytree(there / "run", tmp_path / "run")
    (tmp_path / "data").mkdir()
    for name in ("x.npy", "y.npy"):
        shutil.copy(there / name, tmp_path / "data")
    return tmp_path


@pytest.mark.parametrize("verb", [("evaluate", "run", "--ask", "reconstruction"), ("resume", "run", "--epochs", "4")])
def test_data_are_named_before_they_are_read_and_may_have_moved(there, moved, verb):
    told = here(moved, *verb)
    assert told.code == 0, told.err
    assert told.out.splitlines()[:2] == [f"reads dataset.path={there / 'x.npy'}", f"reads dataset.labels={there / 'y.npy'}"]
    more = ("--epochs", "5") if verb[0] == "resume" else ()
    told = here(moved, *verb, *more, "--data", "data")
    assert told.code == 0, told.err
    assert told.out.splitlines()[0] == f"reads dataset.path={moved / 'data' / 'x.npy'}"


def test_a_mixture_reads_data_where_the_user_says(moved):
    typed = ("generate", "run", "--sampler", "mixture", "--count", "2", "--output", "g.npy")
    told = here(moved, *typed)
    assert told.code == 2
    assert "--data PATH" in told.err
    assert here(moved, *typed, "--data", "data").code == 0


def test_where_data_are_now(tmp_path):
    config = {"dataset": {"path": "/old/a.csv", "test_path": "/old/b.csv", "cache": "/old", "labels": None}}
    assert data_paths(config) == {"dataset.path": "/old/a.csv", "dataset.test_path": "/old/b.csv"}
    with pytest.raises(AerunError, match="no such file"):
        with_data(config, tmp_path / "none")
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(AerunError, match=r"there is no b\.csv"):
        with_data(config, tmp_path)
    (tmp_path / "b.csv").write_text("")
    assert data_paths(with_data(config, tmp_path)) == {
        k: str(tmp_path / n) for k, n in zip(data_paths(config), ("a.csv", "b.csv"), strict=True)
    }
    alone = {"dataset": {"root": "/old/data"}}
    assert data_paths(with_data(alone, tmp_path)) == {"dataset.root": str(tmp_path)}
    with pytest.raises(AerunError, match="not read from files"):
        with_data({"dataset": {"seed": 1}}, tmp_path)


def test_a_moved_run_keeps_its_best_epoch(tmp_path):
    """With a learning rate that only harms from then on, the best epoch is one of before the move."""
    first = here(tmp_path, *SHORT, "hydra.run.dir=run", "schedule=constant")
    assert first.code == 0, first.err
    before = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    shutil.move(tmp_path / "run", tmp_path / "away")
    path = tmp_path / "away" / "checkpoints" / "last.ckpt"
    last = torch.load(path, weights_only=True)
    for group in last["optimizer_states"][0]["param_groups"]:
        group["lr"] = group["initial_lr"] = 10.0
    torch.save(last, path)
    told = here(tmp_path, "resume", "away", "--epochs", "4")
    assert told.code == 0, told.err
    after = torch.load(tmp_path / "away" / "checkpoints" / "best.ckpt", weights_only=True)
    assert min(metrics(tmp_path / "away"), key=lambda r: r["val/loss"])["epoch"] == before["epoch"] == after["epoch"]
    assert all(torch.equal(after["state_dict"][k], v) for k, v in before["state_dict"].items())


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_every_precision_goes_on_exactly(tmp_path, precision):
    """Weights of 64 bits come back with 64, and those that are rounded to 16 for a step with the 32 that are kept."""
    words = (*SHORT, f"trainer.precision={precision}", "schedule=constant")
    assert here(tmp_path, *words, "trainer.max_epochs=2", "hydra.run.dir=whole").code == 0
    assert here(tmp_path, *words, "trainer.max_epochs=1", "hydra.run.dir=run").code == 0
    assert here(tmp_path, "resume", "run", "--epochs", "2").code == 0
    assert timeless(tmp_path / "run") == timeless(tmp_path / "whole")
    ours, theirs = (torch.load(tmp_path / n / "checkpoints/last.ckpt", weights_only=True) for n in ("run", "whole"))
    assert all(torch.equal(ours["state_dict"][k], v) for k, v in theirs["state_dict"].items())
