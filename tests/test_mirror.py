"""Configs, modules and constructors mirror each other: one name everywhere."""

import inspect
from functools import cache

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

from aerun.build import settings_of
from aerun.compose import ROOMS
from aerun.core.paths import config_dir
from aerun.settings.catalog import ORDER, catalog
from aerun.settings.conditions import SETTINGS
from aerun.vocabulary import VOCABULARY
from tests.conftest import composed

# facts of the data, and what other parts say: never in YAML
GIVEN = {
    "columns",
    "heads",
    "name",
    "shape",
    "kind",
    "stored_unit",
    "source",
    "low",
    "high",
    "ragged",
    "tokens",
    "features",
    "pieces",
    "piece",
    "sees_mask",
    "known",
    "given",
    "activate",
}
# read by the builder, not by the class
ADDED = {"_target_", "epochs", "normal", "contamination", *SETTINGS, "weight", "warmup", "cycles", "defaults", "auto"}
BUILT = [g for g in ORDER if g not in ("model", "optimizer", "search")]
OURS = [(g, o) for g in BUILT for o in catalog()[g] if (g, o) != ("regularizer", "none")]


@cache
def settings(group, option):
    """What the files of an option hold, read once: nobody changes it."""
    node = OmegaConf.to_container(OmegaConf.load(config_dir() / group / f"{option}.yaml"))
    if node.get("defaults"):
        node = {**settings(group, node["defaults"][0]), **node}
    return node


@pytest.mark.parametrize(("group", "option"), OURS)
def test_option_module_and_class_share_their_name(group, option):
    target = settings(group, option)["_target_"]
    module, name = target.rsplit(".", 1)
    if "defaults" not in settings(group, option):
        assert module == f"aerun.{group.replace('/', '.')}.{option}"
        assert name.rstrip("_") == "".join(word.capitalize() for word in option.split("_"))


@pytest.mark.parametrize(("group", "option"), OURS)
def test_yaml_keys_are_constructor_parameters(group, option):
    node = settings(group, option)
    given = set() if group == "dataset" else GIVEN - set(node)
    own = [p for p in settings_of(get_class(node["_target_"])).values() if p.name not in given]
    assert {p.name for p in own} == set(node) - ADDED - ({"warmup"} if group == "regularizer" else set()) | (
        {"warmup"} & {p.name for p in own}
    )
    assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in own), "defaults live in YAML"


@pytest.mark.parametrize(("group", "option"), OURS)
def test_docstring_says_what_it_is(group, option):
    cls = get_class(settings(group, option)["_target_"])
    assert len(inspect.getdoc(cls) or "") > 10


@pytest.mark.parametrize("room", ROOMS)
def test_needs_and_offers_are_words_of_the_vocabulary(room):
    from aerun.compose import options

    for cls in options(room).values():
        assert cls.offers <= set(VOCABULARY)
        if room in ("loss", "regularizer"):
            assert cls.takes() <= set(VOCABULARY)


def test_every_option_says_in_one_line_what_it_is():
    for group, options in catalog().items():
        for option, line in options.items():
            assert 10 < len(line) < 120, (group, option)


@pytest.mark.parametrize("model", catalog()["model"])
def test_recipe_names_itself(model):
    assert composed(f"model={model}")["model"]["name"] == model
