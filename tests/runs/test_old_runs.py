"""Folders of an earlier aerun, one a recipe: they load, are evaluated, go on and are exported as those of today."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import aerun
from aerun.evaluate.suite import ask
from aerun.inference.export import export
from aerun.inference.loading import trained
from aerun.runs.checkpoint import read, weights_of
from tests.shell import here, metrics

RUNS = sorted(p for p in (Path(__file__).parents[1] / "data" / "runs").iterdir() if p.is_dir())
FEW = [p for p in RUNS if p.name in ("ae", "conv", "recurrent", "vqvae", "stacked")]
named = pytest.mark.parametrize("run", RUNS, ids=lambda p: p.name)
few = pytest.mark.parametrize("run", FEW, ids=lambda p: p.name)


def samples(model):
    facts = model.facts
    return np.random.default_rng(0).uniform(facts.low or 0, facts.high or 1, (3, *facts.stored)) * facts.unit


@named
def test_it_loads(run):
    model = aerun.load(run)
    x = samples(model).astype(np.float32)
    assert model.encode(x).shape == (3, *model.code_shape)
    assert np.isfinite(model.score(x)).all()
    assert model.threshold(0.05) >= 0


@named
def test_its_checkpoints_are_read_as_torch_reads_them(run):
    for name in ("best", "last"):
        theirs = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert same(read(run, f"checkpoints/{name}.ckpt"), theirs)
        assert same({f"autoencoder.{k}": v for k, v in weights_of(run, name).items()}, dict(theirs["state_dict"]))


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a == b


@named
def test_it_is_exported(run, tmp_path):
    export(aerun.load(run), tmp_path / "model.safetensors", None, check=True)


@named
def test_it_is_evaluated(run):
    model, folder = trained(run)
    found = ask("reconstruction", model)[0].flat("reconstruction")
    assert found["reconstruction/model/se"] == pytest.approx(folder.read()["test/se"], rel=1e-4)


@pytest.mark.slow
@named
def test_it_goes_on(run, tmp_path):
    check_resume(run, tmp_path)


@few
def test_some_go_on(run, tmp_path):
    check_resume(run, tmp_path)


def check_resume(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    before = metrics(run)
    told = here(tmp_path, "resume", "run", "--epochs", str(len(before) + 1))
    assert told.code == 0, told.err
    assert metrics(tmp_path / "run")[: len(before)] == before
    assert [r["epoch"] for r in metrics(tmp_path / "run")] == list(range(len(before) + 1))
    assert json.loads((tmp_path / "run" / "results.json").read_text())["status"] == "completed"
    assert json.loads((tmp_path / "run" / "run.json").read_text())["format"] == 1


@pytest.mark.slow
@few
def test_some_are_exported_as_programs(run, tmp_path):
    pytest.importorskip("onnxruntime")
    export(aerun.load(run), tmp_path / "model.onnx", None, check=True)
