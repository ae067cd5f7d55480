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


@pytest.mark.parametrize(
    "word",
    ["model.name=${oc.env:HOME}", "+dataset._target_=os.system", "trainer.callbacks._target_=x.Y", "callbacks=[antigravity.x]"],
)
def test_a_strangers_command_does_nothing(first, tmp_path, word):
    shutil.copytree(first / "old run", tmp_path / "old")
    about = json.loads((tmp_path / "old" / "run.json").read_text())
    (tmp_path / "old" / "run.json").write_text(json.dumps({**about, "command": f"aerun {word} hydra.run.dir=/elsewhere"}))
    told = here(tmp_path, "rerun", "old")
    assert told.code == 2
    assert "is not taken over" in told.err
    assert not (tmp_path / "outputs").exists()


def commanded(old, place, command, **dataset):
    """A copy of a run's folder, with another command and other settings of its data set."""
    shutil.copytree(old, place)
    about, saved = json.loads((place / "run.json").read_text()), config(place)
    (place / "run.json").write_text(json.dumps({**about, "command": command}))
    saved["dataset"].update(dataset)
    (place / "config.yaml").write_text(yaml.safe_dump(saved))


def test_a_strangers_folder_says_not_where_files_are_written(first, tmp_path):
    outside = tmp_path / "outside"
    typed = f"aerun trainer=smoke pictures=[] dataset=table dataset.cache={outside}"
    commanded(first / "old run", tmp_path / "old", typed, cache=str(outside))
    told = here(tmp_path, "rerun", "old", "hydra.run.dir=new")
    assert told.code == 0, told.err
    assert "dataset.cache: is not taken over" in told.err
    assert config(tmp_path / "new")["dataset"]["cache"] is None
    mnist = {"_target_": "aerun.dataset.mnist.Mnist", "root": str(outside), "download": True, "val": 5, "binarize": "none"}
    commanded(OLD / "ae", tmp_path / "fetched", f"aerun trainer=smoke dataset=mnist dataset.root={outside}", **mnist)
    told = here(tmp_path, "rerun", "fetched", "hydra.run.dir=new2")
    assert (told.code, "dataset.download=true" in told.err) == (2, True)
    assert not outside.exists()


def test_a_command_that_is_not_the_configs_is_refused(tmp_path):
    commanded(OLD / "ae", tmp_path / "old", "aerun trainer=smoke dataset=table dataset.path=http://127.0.0.1:9/x.csv")
    told = here(tmp_path, "rerun", "old", "hydra.run.dir=new")
    assert (told.code, "its run.json and its config.yaml are of different data" in told.err) == (2, True)


def test_a_deleted_group_stays_deleted(tmp_path):
    typed = ["~regularizer", "model=sparse", *QUICK[:3]]
    assert here(tmp_path, *typed, "hydra.run.dir=old").code == 0
    assert here(tmp_path, "rerun", "old", "hydra.run.dir=new").code == 0
    assert config(tmp_path / "new")["reg"] == config(tmp_path / "old")["reg"]
    assert not config(tmp_path / "new")["reg"]["terms"]


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["--cfg=job"], ["-c", "job", "--resolve"]], ids=" ".join)
def test_flags_of_hydras_stand_anywhere(first, tmp_path, flags):
    """Each with its value; and what goes to stdout is the config alone."""
    run = str(first / "old run")
    for words in ([run, "seed=4", *flags], [*flags, run, "seed=4"], [run, *flags, "seed=4", "-p", "seed"]):
        told = here(tmp_path, "rerun", *words)
        assert told.code == 0, told.err
        shown = yaml.safe_load(told.out)
        assert (shown if "-p" in words else shown["seed"]) == 4
        assert told.err.splitlines()[0].startswith("aerun ")
    assert not (tmp_path / "outputs").exists()


def test_a_folder_is_cleared_when_it_is_asked_for(first, tmp_path):
    for flags, code in (([], 0), ([], 2), (["--fresh"], 0)):
        told = here(tmp_path, "rerun", str(first / "old run"), "hydra.run.dir=x", *flags, f"seed={code + len(flags)}")
        assert told.code == code, told.err


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


def test_what_follows_a_setting_that_is_changed_follows_it(tmp_path):
    """The old command typed the size of the code, which other settings follow."""
    line = ("trainer=smoke", "model.arch.hidden=[8]", "pictures=[]", "evaluate=[]")
    assert here(tmp_path, *line, "model.latent_dim=2", "hydra.run.dir=two").code == 0
    told = here(tmp_path, "rerun", "two", "model.latent_dim=3", "hydra.run.dir=three")
    assert told.code == 0, told.err
    assert "where the default is another today" not in told.err
    config = yaml.safe_load((tmp_path / "three" / "config.yaml").read_text())
    assert config["model"]["arch"]["latent_dim"] == config["model"]["latent_dim"] == 3
