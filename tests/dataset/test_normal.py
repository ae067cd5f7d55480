"""The anomaly protocol, by one mechanism for every data set that has labels."""

import os

import pytest
import torch
from omegaconf import OmegaConf

from aerun.build import dataset_of
from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.dataset.normal import anomalies, tell_one_sided
from aerun.settings.catalog import catalog
from tests.conftest import composed
from tests.shell import here

HERE = {  # sets without a download, and the names of two of their classes
    "digits": "[0,1]",
    "pendigits": "[3,7]",
    "japanese_vowels": "[0,8]",
    "breast_cancer": "benign",
    "wine": "[class_0,class_2]",
    "photo_patches": "[0]",
    "sprites": "[0,2]",
    "mixture": "[2]",
}
UNLABELLED = {"text", "manifold", "factors", "dictionary", "features", "activations", "rules"}
UNDIVIDED = {"hidden_cells"}  # all rows are in all splits


def dataset(name, *settings):
    return dataset_of(composed(f"dataset={name}", *(f"dataset.{s}" for s in settings)))


def keys(name):
    return set(OmegaConf.load(config_dir() / "dataset" / f"{name}.yaml"))


@pytest.mark.parametrize("name", catalog()["dataset"])
def test_every_set_with_labels_has_both_settings(name):
    assert ({"normal", "contamination"} <= keys(name)) == (name not in UNLABELLED | UNDIVIDED)


@pytest.mark.parametrize("name", HERE)
def test_training_and_validation_are_normal_and_the_test_split_is_whole(name):
    plain, chosen = dataset(name), dataset(name, f"normal={HERE[name]}")
    before, after, normal = plain.load(), chosen.load(), chosen.normal_classes
    assert plain.normal_classes is None
    assert chosen.facts() == plain.facts() or name in ("breast_cancer", "wine")  # columns are learned from normal rows alone
    names = HERE[name].strip("[]").split(",")
    assert [chosen.class_names[k] for k in normal] == names
    for part in ("train", "val"):
        old, new = getattr(before, part), getattr(after, part)
        assert set(new.y.tolist()) == set(normal)
        assert len(new) == int(torch.isin(old.y, torch.tensor(normal)).sum())
    assert torch.equal(before.test.y, after.test.y)
    assert 0 < anomalies(after.test, normal).sum() < len(after.test)


@pytest.mark.parametrize("name", HERE)
def test_contamination_is_a_share_of_the_training_split(name):
    chosen = dataset(name, f"normal={HERE[name]}", "contamination=0.05")
    data = chosen.load()
    share = float(anomalies(data.train, chosen.normal_classes).float().mean())
    assert share == pytest.approx(0.05, abs=0.5 / len(data.train) + 1e-6)
    assert not anomalies(data.val, chosen.normal_classes).any()
    again = dataset(name, f"normal={HERE[name]}", "contamination=0.05").load()
    assert torch.equal(again.train.y, data.train.y)


def test_mnist():
    if not os.environ.get("AERUN_DATA"):
        pytest.skip("AERUN_DATA names no folder")
    data = dataset("mnist", "normal=[4]", "download=false").load()
    assert set(data.train.y.tolist()) == {4}
    assert len(data.test) == 10_000
    assert data.train.x.dtype == torch.uint8


BAD = {
    "no such class": ("digits", ("normal=[11]",), r"dataset\.normal=11: no such class.*0, 1, 2"),
    "a word": ("digits", ("normal=one",), r"dataset\.normal=one: no such class"),
    "every class": ("photo_patches", ("normal=[0,1]",), r"dataset\.normal=\[0, 1\]: names every class"),
    "no class": ("digits", ("normal=[]",), r"dataset\.normal=\[\]: names no class"),
    "contamination alone": ("digits", ("contamination=0.1",), r"dataset\.contamination=0\.1 needs dataset\.normal"),
    "half": ("digits", ("normal=[0]", "contamination=0.5"), r"dataset\.contamination=0\.5: must lie between 0 and 0\.5"),
    "a share in words": ("digits", ("normal=[0]", "contamination=much"), r"dataset\.contamination=much"),
    "a table": ("digits", ("normal={a:1}",), r"dataset\.normal=.*must be null, a class or a list"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused_in_words(case):
    name, settings, words = BAD[case]
    with pytest.raises(AerunError, match=words):
        dataset(name, *settings).load()


def test_what_is_left_out_is_told_and_kept(caplog):
    chosen = dataset("digits", "normal=[0]")
    chosen.load()
    told = "samples of other classes are left out; the test split has"
    assert caplog.text.count(told) == 1
    assert any(told in note for note in chosen.notes)
    assert "a test split of your own" not in caplog.text  # it has more than enough


def test_a_test_split_without_anomalies_is_told(caplog):
    tell_one_sided("digits", torch.zeros(9, dtype=torch.bool))
    tell_one_sided("digits", torch.arange(9) > 7)
    assert [r.getMessage() for r in caplog.records] == [
        "dataset=digits: there are no anomalies in the test split (9 samples): detection cannot be judged by it."
    ]


def test_a_run_and_its_resumption_keep_to_it(tmp_path):
    told = here(
        tmp_path, "dataset.normal=[3]", "dataset.contamination=0.02", "trainer=smoke", "pictures=[]", "hydra.run.dir=run"
    )
    assert told.code == 0, told.err
    n = told.out.partition(" training, ")[0].rpartition(" ")[2]
    data = dataset("digits", "normal=[3]", "contamination=0.02").load()
    assert int(n) == len(data.train)
    config = OmegaConf.load(tmp_path / "run" / "config.yaml")
    assert (list(config.dataset.normal), config.dataset.contamination) == ([3], 0.02)
    more = here(tmp_path, "resume", "run", "--epochs", "2")
    assert more.code == 0, more.err
    assert f"{n} training, " in more.out


def test_the_data_verb_keeps_to_it(tmp_path):
    told = here(tmp_path, "data", "dataset.normal=[3]", "--no-dimension")
    assert told.code == 0, told.err
    assert "the training split is of one class" in told.out


@pytest.mark.parametrize("name", catalog()["dataset"])
def test_every_set_that_is_not_ones_own_names_its_source_and_terms(name):
    lines = (config_dir() / "dataset" / f"{name}.yaml").read_text().splitlines()
    if "our own" in lines[0] or ("generated" in lines[0] and name != "text"):
        return
    assert lines[1].startswith("# Source: ")
    assert any(word in lines[0] for word in ("CC BY", "MIT", "licence", "domain", "only)"))
