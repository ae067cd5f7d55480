"""A run's folder may come from a stranger: nothing in it is executed, nothing outside of it is read, memory is bounded."""

import json
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import torch
import yaml

import aerun
from aerun.core.errors import AerunError
from tests.shell import here

QUICK = ("trainer=smoke", "trainer.progress=false", "pictures=[]")


class Payload:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A run as it was left."""
    path = tmp_path_factory.mktemp("trust") / "run"
    aerun.train(*QUICK, folder=path)
    return path


@pytest.fixture
def run(honest, tmp_path):
    """A copy of it, and samples beside it."""
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 8, 8), np.uint8))
    return shutil.copytree(honest, tmp_path / "run")


def changed(path, change):
    """The JSON or YAML file with `change` made to its content."""
    read, write = (json.loads, json.dumps) if path.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
    found = read(path.read_text())
    change(found)
    path.write_text(write(found))


def refused(run, words, *args):
    """Every way in says so in one line, with exit code 2, and leaves nothing behind."""
    with pytest.raises(AerunError, match=words):
        aerun.load(run)
    told = here(run.parent, *(args or ("encode", "run", "x.npy", "--output", "z.npy")))
    assert told.code == 2, told
    assert told.err.startswith("aerun: error: ")
    assert told.err.count("\n") == 1, told.err
    assert sorted(os.listdir(run.parent)) == ["run", "x.npy"]


# -- classes ---------------------------------------------------------------------------------------------------------

TARGETS = [
    "os.system",
    "posix.system",
    "subprocess.Popen",
    "builtins.eval",
    "importlib.import_module",
    "aerun.runs.folder.subprocess.Popen",
    "aerun.train.train",
    "torch.load",
    "torch.hub.load",
    "hydra.utils.instantiate",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("part", ["arch", "loss"])
def test_foreign_classes_are_refused(run, target, part):
    node = {"_target_": target, "command": "touch pwned", "args": "touch pwned"}
    changed(run / "config.yaml", lambda c: c["model"].update({part: node}))
    refused(run, f"{part}._target_={target}: is not an option of model/{part}")


@pytest.mark.parametrize(
    "target",
    [
        "aerun.model.arch.mlp.nn.Linear",
        "aerun.model.arch.mlp.Mlp.__init__",
        "aerun.model...os.system",
        "aerun.model.loss.mse.torch.os.system",
        "aerun.model.arch.layers.widths",
    ],
)
def test_what_a_trusted_module_imports_is_not_trusted(run, target):
    changed(run / "config.yaml", lambda c: c["model"].update({"arch": {"_target_": target}}))
    refused(run, "is not an option of model/arch")


def test_classes_inside_settings_and_regularizers_are_refused(run):
    changed(
        run / "config.yaml",
        lambda c: c["model"]["arch"].update({"activation": {"_target_": "os.system", "command": "touch pwned"}}),
    )
    refused(run, "activation")
    changed(run / "config.yaml", lambda c: c["model"]["arch"].update({"activation": "relu"}))
    changed(
        run / "config.yaml", lambda c: c["reg"].update({"terms": {"x": {"_target_": "os.system", "command": "touch pwned"}}})
    )
    refused(run, r"reg\.terms\.x\._target_=os\.system: is not an option of regularizer")


def test_what_is_no_part_of_the_model_is_never_built(run):
    for group in ("dataset", "optimizer", "trainer", "schedule"):
        changed(run / "config.yaml", lambda c, g=group: c.update({g: {"_target_": "os.system", "command": "touch pwned"}}))
    told = here(run.parent, "encode", "run", "x.npy", "--output", "z.npy")
    assert told.code == 0, told.err
    told = here(run.parent, "generate", "run", "--sampler", "mixture", "--output", "new.npy")  # reads the training data
    assert told.code == 2
    assert "dataset._target_=os.system: is not an option of dataset" in told.err
    assert sorted(os.listdir(run.parent)) == ["run", "x.npy", "z.npy"]


def test_trust_is_given_by_name(run, tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "mine_of_trust.py").write_text("from aerun.model.loss.mse import Mse\n\n\nclass Own(Mse):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    changed(run / "config.yaml", lambda c: c["model"]["loss"].update({"_target_": "mine_of_trust.Own"}))
    with pytest.raises(AerunError, match="If you trust it: --trust mine_of_trust"):
        aerun.load(run)
    told = here(tmp_path, "encode", "run", "x.npy", "--output", "z.npy", "--trust", "mine_of_trust")
    assert told.code == 0, told.err


# -- pickles ---------------------------------------------------------------------------------------------------------


def test_the_payload_works_where_pickles_are_read(tmp_path):
    torch.save({"state_dict": Payload(tmp_path / "pwned")}, tmp_path / "x.ckpt")
    torch.load(tmp_path / "x.ckpt", weights_only=False)
    assert (tmp_path / "pwned").exists()


def test_pickled_checkpoints_are_refused(run):
    place, payload = run / "checkpoints" / "best.ckpt", Payload(run.parent / "pwned")
    torch.save({"state_dict": payload}, place)
    refused(run, "not read: it must be plain weights")
    torch.save({"state_dict": {}, "hyper_parameters": payload}, place)
    refused(run, "not read: it must be plain weights")
    place.write_bytes(pickle.dumps(payload))
    refused(run, "not read: it must be plain weights")
    torch.save({"state_dict": {"w": 3}}, place)
    refused(run, "more than tensors")
    place.write_bytes(b"")
    refused(run, "not read")


def test_yaml_tags_are_not_obeyed(run):
    with (run / "config.yaml").open("a") as file:
        file.write(f"extra: !!python/object/apply:os.system ['touch {run.parent / 'pwned'}']\n")
    refused(run, r"config\.yaml: damaged")


def test_interpolations_are_not_resolved(run):
    changed(run / "config.yaml", lambda c: c["model"]["arch"].update({"activation": "${oc.env:HOME}"}))
    refused(run, "activation")


def test_pickled_codes_are_refused(run):
    np.savez(run / "codes.npz", mean=np.array([Payload(run.parent / "pwned")], dtype=object))
    refused_verb(run, "damaged", "generate", "run", "--sampler", "gaussian")


def refused_verb(run, words, *args):
    told = here(run.parent, *args, "--output", "new.npy")
    assert told.code == 2, told
    assert words in told.err
    assert told.err.count("\n") == 1
    assert sorted(os.listdir(run.parent)) == ["run", "x.npy"]


# -- places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["config.yaml", "facts.json", "checkpoints/best.ckpt", "checkpoints"])
def test_links_that_lead_outside_are_refused(run, honest, name):
    place = run / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    place.symlink_to(honest / name)
    refused(run, "leads outside of the run's folder")


@pytest.mark.parametrize(("name", "verb"), [("codes.npz", ("generate", "run", "--sampler", "gaussian")), ("scores.json", None)])
def test_what_is_known_is_inside_too(run, honest, name, verb):
    (run / name).unlink()
    (run / name).symlink_to(honest / name)
    refused_verb(run, "leads outside", *(verb or ("score", "run", "x.npy")))


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10**6, 10**9, 10**18])
def test_absurd_layers_are_refused_before_memory_is_asked_for(run, size):
    changed(run / "config.yaml", lambda c: c["model"]["arch"].update({"hidden": [size, size]}))
    refused(run, "bytes")


def test_absurd_codes_and_samples_are_refused(run):
    changed(run / "facts.json", lambda f: f["facts"].update({"shape": [1, 10**6, 10**6]}))
    refused(run, "more than the")
    changed(run / "facts.json", lambda f: f["facts"].update({"shape": [1, -8, 8]}))
    refused(run, "damaged")
    changed(run / "facts.json", lambda f: f["facts"].update({"shape": [1, 8, 8]}))
    changed(run / "config.yaml", lambda c: c["model"].update({"latent_dim": 10**12}))
    refused(run, "latent_dim")


def test_a_checkpoint_that_unpacks_to_more_than_it_is_is_refused(run):
    place = run / "checkpoints" / "best.ckpt"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("best/data.pkl", bytes(50 << 20))
    refused(run, "unpacks to more than its own size")


@pytest.mark.parametrize("name", ["config.yaml", "facts.json"])
@pytest.mark.parametrize("content", ["", "[", "3", "{}", "null", '{"facts": 3, "preparation": 3}', "a: &a [*a, *a]"])
def test_damaged_files_are_a_line(run, name, content):
    (run / name).write_text(content)
    refused(run, "damaged|missing|not a run's folder|prepared")
