"""How long a run trains where nobody says it, and how it goes on."""

import json
import math
import re

import numpy as np
import pytest
import torch
import yaml

from aerun.core.errors import AerunError
from aerun.settings.auto import as_saved
from aerun.trainer.length import length_of, patience_of
from tests.conftest import built
from tests.shell import here

QUICK = ("pictures=[]", "evaluate=[]", "model.arch.hidden=[4]", "model.latent_dim=2", "trainer.progress=false")


@pytest.mark.parametrize("batches", [1, 2, 7, 66, 67, 430])
def test_few_rows_get_steps_and_many_get_epochs(batches):
    length = length_of(None, None, None, batches)
    assert length.epochs == math.ceil(max(2000, 30 * batches) / batches)
    assert length.steps >= max(2000, 30 * batches)
    assert length.steps - batches < max(2000, 30 * batches)


def test_what_is_said_comes_first():
    assert length_of(3, 500, 20, 4).epochs == 3
    assert length_of(None, 501, 20, 4).epochs == 126
    assert length_of(None, None, 20, 4).epochs == 20


@pytest.mark.parametrize(
    ("words", "rows", "epochs"), [((), 1257, 100), (("trainer.max_steps=25",), 1257, 3), (("trainer=smoke",), 1257, 1)]
)
def test_a_trainer_counts_its_own_batches(words, rows, epochs):
    plan = built(*words)
    assert plan.trainer.set_length(plan.autoencoder, rows).epochs == plan.trainer.max_epochs == epochs


def test_batches_that_are_left_out_are_no_steps():
    plan = built("model=sparse_kl", "trainer.max_steps=8", "trainer.batch_size=100")
    assert plan.trainer.set_length(plan.autoencoder, 250).plain() | {"source": ""} == {
        "epochs": 4,
        "batches": 2,
        "steps": 8,
        "source": "",
        "patience": None,
    }


@pytest.mark.parametrize("word", ["trainer.max_steps=0", "dataset.epochs=0", "dataset.epochs=few", "trainer.max_epochs=0"])
def test_a_length_is_a_number(word):
    with pytest.raises(AerunError, match=re.escape(word)):
        built(word)


def test_the_plan_is_said_kept_and_gone_on_with(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)).astype("float32"))
    line = ("dataset=array", "dataset.path=x.npy", *QUICK, "hydra.run.dir=run")
    told = here(tmp_path, *line, "trainer.max_steps=3")
    assert told.code == 0, told.err
    assert "plan   3 steps: 3 epochs of 1 batch of 28 (trainer.max_steps)" in told.out
    run = tmp_path / "run"
    about = json.loads((run / "run.json").read_text())
    assert about["plan"] == {"epochs": 3, "batches": 1, "steps": 3, "source": "trainer.max_steps", "patience": None}
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["max_epochs"] is None
    assert "only more can be asked for" in here(tmp_path, "resume", "run", "--epochs", "2").err
    assert here(tmp_path, "resume", "run", "--epochs", "5").code == 0
    assert json.loads((run / "run.json").read_text())["plan"]["epochs"] == 5
    assert len((run / "metrics.csv").read_text().splitlines()) == 6


def test_data_of_ones_own_are_trained_by_steps(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)).astype("float32"))
    plan = built("dataset=array", f"dataset.path={tmp_path / 'x.npy'}", *QUICK)
    assert plan.trainer.set_length(plan.autoencoder, 28).steps == 2000
    assert plan.trainer.set_length(plan.autoencoder, 28, planned=7).epochs == 7


@pytest.mark.parametrize(("epochs", "patience"), [(400, 100), (101, 26), (41, 11), (30, 10), (11, 10), (10, None), (1, None)])
def test_the_patience_of_automatic_lengths_is_a_quarter(epochs, patience):
    assert patience_of(epochs) == patience


@pytest.mark.parametrize(
    ("words", "patience"),
    [
        ((), 25),
        (("dataset.epochs=200",), 50),
        (("trainer.max_epochs=200",), None),
        (("trainer.max_steps=2000",), None),
        (("trainer.patience=null",), None),
        (("model=adversarial",), None),
        (("model=adversarial", "trainer.patience=7"), 7),
        (("model=adversarial", "reg.lambda=0"), 25),
        (("model=vae", "reg.terms.kl.warmup=0.5"), 25),
        (("model=vae", "reg.terms.kl.warmup=0.5", "reg.terms.kl.cycles=4"), None),
        (("trainer.patience=7",), 7),
        (("trainer.max_epochs=200", "trainer.patience=7"), 7),
        (("trainer=smoke",), None),
    ],
)
def test_patience_is_automatic_where_the_length_is(words, patience):
    plan = built(*words)
    assert plan.trainer.set_length(plan.autoencoder, 1257).patience == plan.trainer.patience == patience


def test_patience_is_a_number_or_auto():
    with pytest.raises(AerunError, match=re.escape("trainer.patience=many: must be auto, a number of epochs, or null")):
        built("trainer.patience=many")


def test_older_runs_never_ended_early():
    now = {"trainer": {"patience": "auto", "max_epochs": None, "max_steps": None}, "dataset": {"epochs": 100}, "model": {}}
    older = {"trainer": {"patience": None, "max_epochs": 100}, "model": {}}
    assert as_saved(now, older)["trainer"] == older["trainer"]
    assert as_saved(now, {**older, "trainer": {"patience": None, "max_steps": None}})["trainer"]["patience"] == "auto"


def weights_and_figures(run):
    """The last state of a run, and its figures without those of time."""
    rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if "second" not in name]
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {k: v.tolist() for k, v in state.items()}, [[row[i] for i in kept] for row in rows]


def test_a_run_that_ended_early_says_so_and_trains_all_when_asked(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)).astype("float32"))
    line = ("dataset=array", "dataset.path=x.npy", "dataset.epochs=30", *QUICK, "optimizer.lr=3", "schedule=constant")
    told = here(tmp_path, *line, "hydra.run.dir=run")
    assert "30 epochs of 1 batch of 28 (dataset.epochs); fewer where 10 in a row bring nothing better" in told.out
    run, whole = tmp_path / "run", tmp_path / "whole"
    results = json.loads((run / "results.json").read_text())
    assert results["planned_epochs"] == 30
    assert results["epochs"] == results["best_epoch"] + 11 < 30
    assert json.loads((run / "run.json").read_text())["plan"]["patience"] == 10
    said = f"ended early: epoch {results['epochs']} of 30 planned, best {results['best_epoch'] + 1}"
    assert f"{said} (all: aerun resume run --epochs 30)" in " ".join(told.out.split())
    assert here(tmp_path, *line, "trainer.max_epochs=30", "hydra.run.dir=whole").code == 0
    assert here(tmp_path, "resume", "run", "--epochs", "30").code == 0
    assert weights_and_figures(run) == weights_and_figures(whole)
    assert len(weights_and_figures(whole)[1]) == 31
