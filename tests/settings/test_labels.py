"""Tags and notes are kept with a run, in the words in which they were typed, and change nothing of it."""

import json

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from aerun.build import build
from aerun.core.errors import AerunError
from aerun.runs.folder import Folder
from aerun.settings.labels import labels_of, without_labels
from aerun.settings.overrides import config_of, resolved, spelt_out
from tests.conftest import composed


def read(word):
    (found,) = OverridesParser.create().parse_overrides(spelt_out([word]))
    return OmegaConf.to_container(OmegaConf.create({"k": found.value()}), resolve=True)["k"]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("notes=wider code, second try", "wider code, second try"),
        ("notes=see [2", "see [2"),
        ("notes=it's: a=b", "it's: a=b"),
        ("notes=costs ${x}", "costs ${x}"),
        ("notes='quoted already'", "quoted already"),
        ("notes=2024", "2024"),
        ("notes=null", None),
        ("tags=[a b,c]", ["a b", "c"]),
        ("tags=paper", ["paper"]),
        ("tags=a,b", ["a", "b"]),
        ("tags=[2024,1e3,true,'x,y']", ["2024", "1e3", "true", "x,y"]),
        ("tags=[]", []),
    ],
)
def test_they_are_read_as_typed(word, value):
    assert read(word) == value


def test_they_are_kept_and_are_no_part_of_the_run(tmp_path):
    typed = resolved(config_of(["tags=[a b]", "notes=x, y"]))
    folder = Folder(tmp_path)
    folder.open(typed, "aerun")
    about = json.loads((tmp_path / "run.json").read_text())
    assert (about["tags"], about["notes"]) == (["a b"], "x, y")
    assert (folder.config()["tags"], folder.config()["notes"]) == (["a b"], "x, y")
    assert not {"tags", "notes"} & set(folder.about())
    plain = resolved(config_of([]))
    assert folder.holds(plain)
    assert folder.holds(without_labels(plain))
    assert not folder.holds({**plain, "seed": 1})


def test_older_configs_have_none():
    assert labels_of({}) == {"tags": [], "notes": ""}


@pytest.mark.parametrize("labels", [{"tags": {"a": 1}}, {"tags": [1]}, {"tags": 3}, {"notes": ["a"]}, {"notes": {"a": 1}}])
def test_anything_else_is_refused(labels):
    with pytest.raises(AerunError, match=r"must be a (list of words|text)"):
        build({**composed(), **labels})
