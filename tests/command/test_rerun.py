"""`aerun rerun`: a new run from the settings of an old one; and how `aerun compare` leads where there are two."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.shell import here

QUICK = ("trainer=smoke", "pictures=[]", "trainer.progress=false", "model.arch.hidden=[4]")
OLD = Path(__file__).parents[1] / "data" / "runs"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run `old run` on a table of one's own, with labels, made in another folder than it is run again in."""
    folder = tmp_path_factory.mktemp("rerun")
    (folder / "my data.csv").write_text("a,b,c\n" + "".join(f"{i},{i * i % 7},{i % 3}\n" for i in range(60)))
    typed = ("dataset=table", "dataset.path=my data.csv", "dataset.categorical=[c]", "tags=[x,y]", "notes=one, two")
    told = here(folder, *QUICK, *typed, "hydra.run.dir=old run")
    assert told.code == 0, told.err
    return folder


def config(path):
    return yaml.safe_load((path / "config.yaml").read_text())


def test_what_is_not_changed_is_as_it_was(first, tmp_path):
    told = here(tmp_path, "rerun", str(first / "old run"), "model.latent_dim=2", "hydra.run.dir=new")
    assert told.code == 0, told.err
    assert f"reads dataset.path={first / 'my data.csv'}" in told.out
    old, new = config(first / "old run"), config(tmp_path / "new")
    assert (old["model"]["latent_dim"], new["model"]["latent_dim"]) == (8, 2)
    assert new["dataset"] == old["dataset"]
    assert new["trainer"] == old["trainer"]
    assert new["model"]["arch"]["hidden"] == [4]
    about = json.loads((tmp_path / "new" / "run.json").read_text())
    assert not about["tags"]
    assert not about["notes"]
    told = here(tmp_path, "rerun", "new", "model.latent_dim=4", "hydra.run.dir=third")  # layers follow it, as in any command
    assert told.code == 0, told.err
    assert "as that run had it" not in told.err


def test_a_default_that_has_changed_since_is_kept_and_told(first, tmp_path):
    shutil.copytree(first / "old run", tmp_path / "old")
    saved = config(tmp_path / "old")
    saved["optimizer"]["lr"] = 0.0123
    (tmp_path / "old" / "config.yaml").write_text(yaml.safe_dump(saved))
    told = here(tmp_path, "rerun", "old", "seed=3", "hydra.run.dir=new")
    assert told.code == 0, told.err
    assert "as that run had it, where the default is another today: optimizer.lr" in told.err
    assert (config(tmp_path / "new")["optimizer"]["lr"], config(tmp_path / "new")["seed"]) == (0.0123, 3)


def test_a_group_that_is_chosen_anew_takes_its_own_settings(first, tmp_path):
    told = here(tmp_path, "rerun", str(first / "old run"), "model/arch=linear", "--help")
    assert told.code == 0
    told = here(tmp_path, "rerun", str(first / "old run"), "optimizer=sgd", "hydra.run.dir=new")
    assert told.code == 0, told.err
    assert config(tmp_path / "new")["optimizer"]["_target_"] == "torch.optim.SGD"


@pytest.mark.parametrize("word", ["model.name=${oc.env:HOME}", "+dataset._target_=os.system", "trainer.callbacks._target_=x.Y"])
def test_a_strangers_command_does_nothing(first, tmp_path, word):
    shutil.copytree(first / "old run", tmp_path / "old")
    about = json.loads((tmp_path / "old" / "run.json").read_text())
    (tmp_path / "old" / "run.json").write_text(json.dumps({**about, "command": f"aerun {word} hydra.run.dir=/elsewhere"}))
    told = here(tmp_path, "rerun", "old")
    assert told.code == 2
    assert "is not taken over" in told.err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_runs_of_before_are_run_again(tmp_path, name):
    told = here(tmp_path, "rerun", str(OLD / name), "trainer=smoke", "pictures=[]", "hydra.run.dir=new")
    assert told.code == 0, told.err


def test_two_runs_lead_with_what_differs(first, tmp_path):
    here(tmp_path, "rerun", str(first / "old run"), "seed=5", "model.latent_dim=2", "hydra.run.dir=new")
    lines = here(tmp_path, "compare", str(first / "old run"), "new").out.splitlines()
    assert "seed 0 and 5" in lines[0]
    assert "model.latent_dim 8 and 2" in lines[0]
    assert lines[1] == "data      the same"
    assert lines[2].startswith(f"outcome   {first / 'old run'}: ")
