"""A run names its data by where they are, not by where it was started."""

import gzip
import struct

import numpy as np
import pytest
from omegaconf import OmegaConf

from aerun.core.paths import with_absolute_paths
from tests.shell import here

G = np.random.default_rng(0)


def kinds(tmp_path):
    """Small files of several kinds."""
    x, y = G.normal(size=(60, 6)), np.arange(60) % 2
    names = [f"a{i}" for i in range(6)]
    for name in ("t.csv", "test.csv"):
        (tmp_path / name).write_text("\n".join([",".join(names), *(",".join(map(str, r)) for r in x.tolist())]))
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    (tmp_path / "pixels").write_bytes(struct.pack(">HBBIII", 0, 8, 3, 60, 4, 4) + bytes(G.integers(0, 255, 960).tolist()))
    (tmp_path / "classes.gz").write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 60) + bytes(y.astype(np.uint8))))
    (tmp_path / "lines.txt").write_text("".join(f"line {i}\n" for i in range(60)))


RUNS = {
    "table": ("path=t.csv", "test_path=test.csv"),
    "array": ("path=x.npy", "labels=y.npy"),
    "idx": ("path=pixels", "labels=classes.gz"),
    "series": ("path=t.csv", "window=5"),
    "text": ("path=lines.txt",),
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_is_resumed_from_another_folder(tmp_path, kind):
    kinds(tmp_path)
    (tmp_path / "other").mkdir()
    arch = "recurrent" if kind == "text" else "mlp"
    loss = ["model/loss=categorical"] if kind == "text" else []
    settings = [f"dataset={kind}", *(f"dataset.{s}" for s in RUNS[kind]), f"model/arch={arch}", *loss, "model.latent_dim=2"]
    told = here(tmp_path, *settings, "trainer=smoke", "pictures=[]", "hydra.run.dir=run")
    assert told.code == 0, told.err
    again = here(tmp_path / "other", "resume", "../run", "--epochs", "2")
    assert again.code == 0, again.err
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").dataset.path == str(tmp_path / RUNS[kind][0].partition("=")[2])


def test_only_files_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    packed = {"path": "a.npz", "labels": "y", "test_labels": "z.npy", "key": "x", "test": 0.2, "test_path": None}
    found = with_absolute_paths({"dataset": packed, "seed": 0})
    there = str(tmp_path)
    assert found["dataset"] == {**packed, "path": f"{there}/a.npz", "test_labels": f"{there}/z.npy"}
    assert found["seed"] == 0
    named = {"path": "pixels", "labels": "classes", "test": "more", "root": "data"}
    assert with_absolute_paths({"dataset": named})["dataset"] == {
        "path": f"{there}/pixels", "labels": f"{there}/classes", "test": f"{there}/more", "root": f"{there}/data"
    }  # fmt: skip
