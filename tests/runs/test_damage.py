"""Values of other kinds in a run's files: words of one line, and the file that is meant, wherever they surface."""

import shutil
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.core.files import replace
from aerun.runs import files
from tests.bombs import change
from tests.shell import here

TOP = Path(__file__).parents[2]
OLD = TOP / "tests" / "data" / "runs" / "ae"


@pytest.fixture
def place(tmp_path):
    shutil.copytree(OLD, tmp_path / "run")
    np.save(tmp_path / "x.npy", np.ones((2, 1, 8, 8), np.float32))
    return tmp_path


def refused(place, words, *typed):
    told = here(place, *typed)
    assert told.code == 2, told
    assert told.err.startswith("aerun: error: ")
    assert len(told.err.splitlines()) == 1, told.err
    assert words in told.err


def checkpoint(place, action):
    path = place / "run" / "checkpoints" / "last.ckpt"
    found = torch.load(path, weights_only=True)
    action(found)
    torch.save(found, path)


@pytest.mark.parametrize(
    "action",
    [
        lambda c: c["optimizer_states"][0]["state"][0].update(step=[[]]),
        lambda c: c["loops"]["fit_loop"]["epoch_progress"]["current"].update(started=torch.zeros(2)),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_with(place, action):
    checkpoint(place, action)
    refused(place, "last.ckpt: the run cannot go on from it: damaged", "resume", "run", "--epochs", "3")


def test_an_optimizer_that_has_forgotten(place):
    """Its states are gone: the run would go on as another one, so its checkpoint is left as it was."""
    for action in (lambda c: c.update(optimizer_states=[]), lambda c: c["optimizer_states"][0]["state"].pop(0)):
        shutil.copy(OLD / "checkpoints" / "last.ckpt", place / "run" / "checkpoints" / "last.ckpt")
        checkpoint(place, action)
        before = (place / "run" / "checkpoints" / "last.ckpt").read_bytes()
        refused(place, "it has no state of the optimizer for", "resume", "run", "--epochs", "3")
        assert (place / "run" / "checkpoints" / "last.ckpt").read_bytes() == before


@pytest.mark.parametrize(
    "name", ["codes.npz", "results.json", "test_errors.npy", "facts.json", "checkpoints/best.ckpt", "metrics.csv"]
)
def test_a_folder_in_the_place_of_a_file(place, name):
    (place / "run" / name).unlink(missing_ok=True)
    (place / "run" / name).mkdir()
    words = "is a folder" if name in ("codes.npz", "test_errors.npy") else f"{name}: is "
    refused(place, words, "resume", "run", "--epochs", "3")
    with pytest.raises(AerunError, match="is a folder"):
        files.replace(place / "run", name, "x")
    with pytest.raises(AerunError, match="is a folder"):
        files.remove(place / "run", name)
    with pytest.raises(AerunError, match="is a folder"):
        replace(place / "run" / name, "x")


OTHERS = ({"a": 1}, [[1]], "x", True, -1, 1.5, 10**30)
WHOLE = ("seed", "model.latent_dim", "model.arch.latent_dim", "model.bottleneck.latent_dim")


@pytest.mark.parametrize("key", [*WHOLE, "model", "dataset", "optimizer", "reg.lambda", "trainer.devices"])
def test_values_of_other_kinds(place, key):
    """Each is refused in words, or is one that the setting takes."""
    *above, last = key.split(".")
    for value in OTHERS:
        shutil.copy(OLD / "config.yaml", place / "run" / "config.yaml")
        change(place / "run" / "config.yaml", lambda c, value=value: reduce(getitem, above, c).update({last: value}))
        told = here(place, "encode", "run", "x.npy", "--output", "z.npy")
        assert told.code in (0, 2), (value, told)
        assert told.code == 0 or (told.err.startswith("aerun: error: ") and len(told.err.splitlines()) == 1), (value, told)
        if key in WHOLE:
            assert told.code == 2, value


def test_processes_without_number(place):
    change(place / "run" / "config.yaml", lambda c: c["trainer"].update(devices=10**7, accelerator="cpu"))
    refused(place, "trainer.devices=10000000: at most ", "resume", "run", "--epochs", "3")


def test_a_size_is_bounded_before_anything_is_made(tmp_path):
    shutil.copytree(TOP / "tests" / "data" / "runs" / "compression", tmp_path / "run")
    np.save(tmp_path / "x.npy", np.ones((2, 1, 8, 8), np.float32))
    change(tmp_path / "run" / "config.yaml", lambda c: c["model"]["bottleneck"].update(mixture=10**9))
    refused(tmp_path, "model.bottleneck.mixture=1000000000 cannot be", "encode", "run", "x.npy", "--output", "z.npy")


def test_a_setting_of_the_data_of_another_kind(place):
    own = {"_target_": "aerun.dataset.table.Table", "path": "t.csv", "drop": {"a": 1}}
    change(place / "run" / "config.yaml", lambda c: c.update(dataset=own))
    refused(place, "dataset.drop={'a': 1}: must be ", "encode", "run", "x.npy", "--output", "z.npy")


def test_a_run_without_facts_is_no_larger_than_its_checkpoint(place):
    (place / "run" / "facts.json").unlink()
    change(place / "run" / "config.yaml", lambda c: c["model"]["arch"].update(hidden=[10**6, 10**6]))
    refused(place, "holds only", "resume", "run", "--epochs", "3")


def test_a_column_whose_name_is_a_number(place):
    own = {"_target_": "aerun.dataset.table.Table", "path": "t.csv", "drop": 3}
    change(place / "run" / "config.yaml", lambda c: c.update(dataset=own))
    assert here(place, "encode", "run", "x.npy", "--output", "z.npy").code == 0


def test_columns_that_are_missing(place):
    (place / "run" / "metrics.csv").write_text("a,b\n1,2\n")
    told = here(place, "evaluate", "run", "--pictures", "curves")
    assert told.err == "pictures: curves: run/metrics.csv: damaged: it has no column epoch.\n"
    refused(place, "metrics.csv: damaged: it has no column step", "resume", "run", "--epochs", "3")


def test_names_that_lead_round_in_a_circle(place):
    (place / "run" / "x").symlink_to("x")
    refused(place, "holds no runs", "board", "run")


def test_a_projector_config_that_is_no_text(place):
    (place / "run" / "projector_config.pbtxt").write_bytes(b"\xa9")
    refused(place, "is not as aerun writes it", "board", "run")


@pytest.mark.slow
def test_damaged_folders_by_the_dozen():
    """Kept small: `python scripts/fuzz_folders.py` tries 5,000."""
    command = [sys.executable, "scripts/fuzz_folders.py", "--count", "20", "--first", "100"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 20" in done.stdout
    assert "wrong folders: 0" in done.stdout
