"""A folder that is used again: what goes on, what is refused before anything is written, what `--fresh` clears."""

import json
import shutil

import numpy as np
import pytest
import torch

import aerun
from aerun import pictures
from aerun.core.errors import AerunError, FolderInUseError
from aerun.runs.checkpoint import BEST, LAST, read
from aerun.runs.folder import Folder
from aerun.runs.identity import KEY, asked_anew, differences, essence, identity
from aerun.runs.lock import claimed
from aerun.runs.reuse import clear, goes_on, remove_leftovers
from tests.conftest import composed
from tests.shell import figures, here, timeless

SHORT = ("model.arch.hidden=[4]", "trainer.max_epochs=2", "trainer.progress=false", "pictures=[]")


def tree(folder):
    """Every file below a folder with its content, and every folder."""
    return {p.relative_to(folder): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """The folder of a complete run."""
    place = tmp_path_factory.mktemp("complete")
    assert here(place, *SHORT, "hydra.run.dir=run").code == 0
    return place / "run"


@pytest.fixture
def run(complete, tmp_path):
    """A copy of it, in the folder where commands are typed."""
    return shutil.copytree(complete, tmp_path / "run")


def stop(folder):
    """Leave the folder as a run that was killed in its second epoch."""
    (folder / "results.json").write_text('{"status": "running", "seed": 0}')
    checkpoint = torch.load(folder / LAST, weights_only=True)
    torch.save(checkpoint, folder / LAST)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((), "holds this very run, complete"),
        (("seed=7",), "holds another run (seed 0 there, 7 here)"),
        (("optimizer.lr=0.5", "model=vae"), "holds another run ("),
    ],
    ids=["the same", "another seed", "another model"],
)
def test_a_used_folder_is_refused_and_not_touched(run, tmp_path, more, words):
    before = tree(run)
    told = here(tmp_path, *SHORT, *more, "hydra.run.dir=run")
    assert (told.code, told.err.count("\n")) == (2, 1), told
    assert words in told.err
    assert "--fresh" in told.err
    assert tree(run) == before


def test_a_damaged_config_is_cleared_by_the_names_beside_it(run, caplog):
    (run / "config.yaml").write_text("seed: [")
    (run / "mine.txt").write_text("kept")
    clear(run, ())
    assert [p.name for p in run.iterdir() if p.is_file()] == ["mine.txt"]
    assert "What aerun writes is removed by its names: " in caplog.text
    (run / "config.yaml").write_text("seed: [")
    with pytest.raises(FolderInUseError, match="holds files and no run of aerun's"):
        clear(run, ())
    assert sorted(p.name for p in run.iterdir() if p.is_file()) == ["config.yaml", "mine.txt"]


def test_a_folder_with_files_of_others_is_refused_and_not_touched(tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    for name in ("a.txt", "results.json"):
        (place / name).write_text("kept")
    before = tree(place)
    told = here(tmp_path, *SHORT, "hydra.run.dir=mine")
    assert (told.code, told.err.count("\n")) == (2, 1), told
    assert "holds files and no run of aerun's (a.txt, results.json)" in told.err
    assert tree(place) == before


def test_the_same_command_goes_on_with_its_own_unfinished_run(run, tmp_path):
    whole = figures(run), timeless(run)
    stop(run)
    (run / "mine.txt").write_text("kept")
    (run / ".config.yaml.99999").write_text("a killed process was writing this")
    (run / "checkpoints" / ".last.ckpt.99999").write_text("and this")
    told = here(tmp_path, *SHORT, "hydra.run.dir=run", "trainer.progress=true")  # shown, and no other run
    assert told.code == 0, told
    assert "goes on with this command's own run there (stopped before its end)" in told.out
    assert (figures(run), timeless(run)) == whole
    assert (run / "mine.txt").read_text() == "kept"
    assert not list(run.rglob(".*"))


def test_other_data_under_the_same_settings_are_not_gone_on_with(tmp_path):
    words = ("dataset=array", "dataset.path=x.npy", "model.latent_dim=2", *SHORT)
    for seed in (0, 1):
        np.save(tmp_path / "x.npy", np.random.default_rng(seed).normal(size=(40, 5)).astype(np.float32))
        if not seed:
            assert here(tmp_path, *words, "hydra.run.dir=run").code == 0
            stop(tmp_path / "run")
    before = tree(tmp_path / "run")
    told = here(tmp_path, *words, "hydra.run.dir=run")
    assert told.code == 2
    assert "the data have changed since this run began" in told.err
    after = tree(tmp_path / "run")
    assert {k: v for k, v in after.items() if k.name != "aerun.log"} == {
        k: v for k, v in before.items() if k.name != "aerun.log"
    }


def test_fresh_clears_what_aerun_wrote_and_nothing_else(run, tmp_path):
    mine = {"mine.txt", "pictures/cat.png", "checkpoints/mine.ckpt", ".mine.1", "events.txt"}
    for name in mine:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("kept")
    (run / "pictures" / "curves.png").write_text("an old one")
    with claimed(run):
        clear(run, pictures.names())
    assert {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()} == mine
    told = here(tmp_path, *SHORT, "seed=3", "hydra.run.dir=run", "--fresh")
    assert told.code == 0, told
    assert figures(run)["seed"] == 3
    assert "--fresh" not in json.loads((run / "run.json").read_text())["command"]
    assert {name for name in mine if (run / name).read_text() == "kept"} == mine


def test_fresh_takes_no_config_of_others_for_a_run(tmp_path):
    (tmp_path / "config.yaml").write_text("database: here\n")
    (tmp_path / "results.json").write_text("{}")
    before = tree(tmp_path)
    for use in (lambda: clear(tmp_path, ()), lambda: goes_on(tmp_path, composed())):
        with pytest.raises(FolderInUseError, match="no run of aerun's"):
            use()
    assert tree(tmp_path) == before


def test_fresh_follows_no_link(run, tmp_path):
    outside = tmp_path / "outside"
    shutil.move(run / "checkpoints", outside)
    (run / "checkpoints").symlink_to(outside)
    with pytest.raises(AerunError, match="is a link"):
        clear(run, ())
    assert {p.name for p in outside.iterdir()} == {"best.ckpt", "last.ckpt"}


def test_a_sweep_begins_anew_and_takes_no_place_of_a_run(tmp_path, run):
    words = ("-m", *SHORT, "trainer.max_epochs=1", "dataset=mixture")
    told = here(tmp_path, *words, "seed=0,1", "hydra.sweep.dir=run")
    assert told.code == 2
    assert "holds a run that is not of this sweep" in told.err
    assert here(tmp_path, *words, "seed=0", "sweep=s").code == 0
    (tmp_path / "outputs/sweeps/s/mine").write_text("kept")
    assert here(tmp_path, *words, "seed=1", "sweep=s").code == 2
    told = here(tmp_path, *words, "seed=1", "sweep=s", "--fresh")
    assert told.code == 0, told
    names = {p.name for p in (tmp_path / "outputs/sweeps/s").iterdir()}
    assert names == {"mine", "sweep.json", "multirun.yaml", *(n for n in names if "seed=1" in n)}
    assert len(names) == 4


def test_a_checkpoint_of_another_run_is_never_gone_on_with(run, tmp_path):
    stop(run)
    for name in (LAST, BEST):
        checkpoint = torch.load(run / name, weights_only=True)
        assert len(checkpoint[KEY]) == 32
        torch.save({**checkpoint, KEY: "0" * 32}, run / name)
        told = here(tmp_path, "resume", "run")
        assert (told.code, told.err.count("\n")) == (2, 1), told
        assert f"{name}: is of another run (other settings) and is not gone on with" in told.err
        torch.save(checkpoint, run / name)
    assert here(tmp_path, "resume", "run").code == 0


def test_identity_is_of_settings_and_data_and_of_nothing_else(tmp_path):
    config, data = composed(), {"hash": {"train": "a"}}
    aside = [
        {**config, "tags": ["a"], "notes": "b"},
        {**config, "dataset": {**config["dataset"], "root": "elsewhere"}},
        {**config, "trainer": {**config["trainer"], "progress": not config["trainer"]["progress"]}},
    ]
    for same in aside:
        assert essence(same) == essence(config)
        assert not differences(config, same)
    longer = {**config, "trainer": {**config["trainer"], "max_epochs": 999}}
    assert differences(config, longer)
    assert {identity(c, data) for c in (config, longer, *aside)} == {identity(config, data)}
    assert identity({**config, "seed": 1}, data)[:16] != identity(config, data)[:16]
    assert identity(config, {"hash": {"train": "b"}})[16:] != identity(config, data)[16:]


def test_a_killed_first_write_is_no_use_of_a_folder(tmp_path):
    for name in (".lock", "aerun.log", ".config.yaml.123"):
        (tmp_path / name).write_text("")
        assert not goes_on(tmp_path, composed())
    remove_leftovers(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {".lock", "aerun.log"}
    assert not goes_on(tmp_path / "none", composed())


def test_python_refuses_and_goes_on_alike(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    settings = {"x": x, "model__latent_dim": 2, "folder": tmp_path / "run"}
    aerun.train(*SHORT, **settings)
    before = tree(tmp_path)
    with pytest.raises(FolderInUseError, match="complete"):
        aerun.train(*SHORT, **settings)
    with pytest.raises(FolderInUseError, match="seed 0 there, 1 here"):
        aerun.train(*SHORT, **settings, seed=1)
    assert tree(tmp_path) == before
    whole = figures(tmp_path / "run")
    stop(tmp_path / "run")
    with pytest.raises(AerunError, match="other samples"):
        aerun.train(*SHORT, **{**settings, "x": x + 1})
    aerun.train(*SHORT, **settings)
    assert figures(tmp_path / "run") == whole
    aerun.train(*SHORT, **{**settings, "x": x + 1}, fresh=True)
    assert figures(tmp_path / "run") != whole


def test_a_run_begins_with_its_own_checkpoint_whatever_lies_there(run, tmp_path):
    """A run that does not go on replaces `last` before its first step."""
    from aerun.train import train

    config = {**Folder(run).config(), "seed": 5}
    train(config, run, "aerun", resume=False)
    assert read(run)[KEY] == identity(config, json.loads((run / "run.json").read_text())["data"])


def test_what_is_asked_at_the_end_is_no_part_of_a_run(run, tmp_path):
    config = Folder(run).config()
    asked = {**config, "evaluate": ["probe"], "pictures": "all", "objective": "test/se"}
    assert identity(config, {}) == identity(asked, {})
    assert not differences(config, asked)
    assert asked_anew(config, asked) == [
        'evaluate "auto" there, ["probe"] here',
        'pictures [] there, "all" here',
        'objective "val/mse" there, "test/se" here',
    ]
    with pytest.raises(FolderInUseError, match=r"complete\. `aerun evaluate .*run` asks more of it"):
        goes_on(run, asked)
    stop(run)
    assert goes_on(run, {**config, "evaluate": []})  # as runs of before have it


def test_tags_that_were_given_later_stay_as_the_run_goes_on(run):
    folder = Folder(run)
    config = folder.config()
    folder.write("run.json", {**folder.read("run.json"), "tags": ["later"], "notes": "n"})
    folder.open(config, "aerun")
    assert (folder.read("run.json")["tags"], folder.read("run.json")["notes"]) == (["later"], "n")
    folder.open({**config, "tags": ["typed"]}, "aerun")
    assert (folder.read("run.json")["tags"], folder.read("run.json")["notes"]) == (["typed"], "")
    assert not folder.relabel({**config, "tags": ["typed"]})
    assert folder.relabel({**config, "notes": "other"})
    assert (folder.read("run.json")["tags"], folder.config()["notes"]) == ([], "other")
