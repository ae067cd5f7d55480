"""How long a run trains where nobody says it, and how it goes on."""

import json
import math
import re

import numpy as np
import pytest
import yaml

from aerun.core.errors import AerunError
from aerun.trainer.length import length_of
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
    assert about["plan"] == {"epochs": 3, "batches": 1, "steps": 3, "source": "trainer.max_steps"}
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
