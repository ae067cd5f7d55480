"""`aerun --help`, `aerun help WORD`, and what is said of a word that is no verb."""

import re

import pytest

from aerun.command import VERBS
from aerun.command.help import page
from aerun.settings.catalog import FAMILIES, ORDER, catalog, family, option_files
from tests.shell import here


def test_the_page_is_one_screen_and_names_every_verb_and_group():
    lines = page().splitlines()
    assert len(lines) <= 32
    assert max(map(len, lines)) <= 120
    words = set(page().replace(",", " ").split())
    assert words >= {*VERBS, *ORDER}


def test_every_recipe_says_its_family():
    assert {name: family(path) for name, path in option_files("model").items() if family(path) not in FAMILIES} == {}


def test_recipes_are_listed_under_what_their_family_is_for(tmp_path):
    lines = here(tmp_path, "help", "model").out.splitlines()
    heads = [line.strip() for line in lines if re.match(r" \w", line)]
    assert heads == [f"{name}: {line}" for name, line in FAMILIES.items()]
    first = next(name for name, path in option_files("model").items() if family(path) == "posteriors")
    assert lines[lines.index(f" posteriors: {FAMILIES['posteriors']}") + 1].split()[0] == first


@pytest.mark.parametrize("word", [*ORDER, "arch", "loss"])
def test_a_group_is_listed_whole(word, tmp_path):
    told = here(tmp_path, "help", word)
    group = next(g for g in ORDER if word in (g, g.rpartition("/")[2]))
    assert told.code == 0
    assert all(f"  {name} " in told.out for name in catalog()[group])


def test_options_of_the_user_are_listed_too(tmp_path):
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "lab.yaml").write_text("# @package _global_\n# Our lab's net\nmodel: {name: lab}\n")
    told = here(tmp_path, "help", "model", "--config-dir", "mine")
    assert re.search(r"\n your own\n  lab +Our lab's net\n$", told.out)
    assert "model: {name: lab}" in here(tmp_path, "help", "model=lab", "--config-dir", "mine").out


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["vae"], "as an option it is aerun model=vae."),
        (["l1"], "aerun model/loss=l1 or aerun regularizer=l1"),
        (["encod"], "(nearest: encode)"),
        (["help", "modle"], "(nearest: model)"),
        (["help", "model=vea"], "no such option (nearest: vae)"),
        (["help", "model", "--config-dir", "nowhere"], "--config-dir nowhere: no such folder."),
    ],
)
def test_words_that_are_nothing_are_answered_with_what_is_meant(tmp_path, typed, words):
    told = here(tmp_path, *typed)
    assert told.code == 2
    assert words in told.err
