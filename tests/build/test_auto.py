"""Options that the data choose: every recipe meets every kind of data."""

import re
from functools import cache

import pytest
import torch

from aerun.build import build
from aerun.core.errors import AerunError
from aerun.runs.identity import differences
from aerun.settings.auto import as_saved
from aerun.settings.catalog import catalog
from tests.conftest import built, composed

DATA = ("wine", "digits", "sines", "text")
ADVICE = re.compile(r"(?:Use|these data) ((?:model/\w+|trainer|regularizer)=\w+)")


@cache
def loaded(name):
    """A data set's settings and its first samples."""
    return composed(f"dataset={name}")["dataset"], built(f"dataset={name}").dataset.load().train.x[:128]


def one_step(cfg, stored):
    """One optimizer step on a few samples; the plan."""
    plan = build(cfg)
    model = plan.autoencoder
    model.start_from(stored)
    facts = plan.facts
    optimizer = plan.optimizer.make(model.own_parameters())
    loss = model.objective(model.units(stored[:8]), 0.5, facts.valid(stored[:8])).loss
    loss.backward()
    optimizer.step()
    assert loss.isfinite()
    return plan


BEGUN = ("idec", "vade")  # with a run that fits them: tests/regularizer/test_clusters.py
TOLD = ("deep_sad", "m2", "ssaae")  # something of these data: tests/regularizer/test_alarms.py, test_few_classes.py
# No encoder of text is without biases, and a second decoder writes values between 0 and 1: tests/regularizer/test_alarms.py
FITS = {"deep_svdd": ("wine", "digits", "sines"), "usad": ("digits",)}


@pytest.mark.parametrize("recipe", [name for name in catalog()["model"] if name not in (*BEGUN, *TOLD)])
def test_every_recipe_trains_on_every_kind_of_data_or_names_what_does(recipe):
    for name in FITS.get(recipe, DATA):
        dataset, stored = loaded(name)
        words = [f"model={recipe}"]
        for _ in range(3):
            try:
                one_step({**composed_for(tuple(words)), "dataset": dataset}, stored)
                break
            except AerunError as e:
                words += ADVICE.findall(str(e))[-1:] or pytest.fail(f"{recipe} on {name}: {e}")
        else:
            pytest.fail(f"{recipe} on {name}: refused with all that was advised: {words}")


def composed_for(words):
    """The config of a command line without what a recipe sets for another option, as `aerun` trains it."""
    from aerun.settings.overrides import config_of, resolved

    return composed(*words) if len(words) == 1 else resolved(config_of(words))


@pytest.mark.parametrize(
    ("words", "arch", "loss"),
    [
        (("dataset=digits",), "Mlp", "Mse"),
        (("dataset=digits", "model=vae"), "Mlp", "Bce"),
        (("dataset=wine", "model=vae"), "Mlp", "Gaussian"),
        (("dataset=wine", "model=vae", "dataset.prepare=minmax"), "Mlp", "Bce"),
        (("dataset=sines", "model=vae"), "Mlp", "Gaussian"),
        (("dataset=japanese_vowels", "model=vae"), "Recurrent", "Gaussian"),
        (("dataset=text",), "Recurrent", "Categorical"),
        (("dataset=text", "model=vae"), "Recurrent", "Categorical"),
    ],
)
def test_what_the_data_call_for(words, arch, loss):
    plan = built(*words)
    assert plan.auto == {"arch", "loss"}
    chosen = [plan.config["model"][part] for part in ("arch", "loss")]
    assert [node["_target_"].rpartition(".")[2] for node in chosen] == [arch, loss]
    assert not any("auto" in node for node in chosen)


def test_an_option_that_is_typed_is_left_alone():
    plan = built("model=vae", "model/loss=mse", "model/arch=mlp")
    assert not plan.auto
    assert plan.config == composed("model=vae", "model/loss=mse", "model/arch=mlp")


def test_a_class_of_ones_own_is_no_open_option():
    plan = built("model=vae", "model.loss._target_=aerun.model.loss.l1.L1")
    assert plan.auto == {"arch"}
    assert plan.config["model"]["loss"] == {"_target_": "aerun.model.loss.l1.L1", "activation": "linear", "reduction": "sum"}


def test_the_same_seed_is_the_same_model_whether_chosen_by_the_data_or_typed():
    by_data, typed = built("model=vae"), built("model=vae", "model/loss=bce", "model/arch=mlp")
    assert by_data.config == typed.config
    theirs = typed.autoencoder.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in by_data.autoencoder.state_dict().items())


def test_settings_are_carried_over_where_the_option_has_them():
    assert built("model=vae", "model.loss.reduction=mean").config["model"]["loss"]["reduction"] == "mean"
    assert built("dataset=text", "model.latent_dim=5").config["model"]["arch"]["latent_dim"] == 5
    assert built("dataset=text").config["model"]["arch"]["hidden"] == 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("dataset=text", "model.arch.hidden=[64,32]"),
            "model.arch.hidden=[64,32]: is for model/arch=mlp, and these data take ",
        ),
        (
            ("dataset=text", "model.arch.norm=batch"),
            "model.arch.norm=batch: is for model/arch=mlp, and these data take recurrent",
        ),
        (("model=vae", "model.loss.activation=sigmoid"), "model.loss.activation=sigmoid: is for model/loss=mse, and "),
    ],
)
def test_a_setting_of_another_option_is_refused_by_name(words, said):
    with pytest.raises(AerunError, match=re.escape(said)):
        built(*words)


@pytest.mark.parametrize("words", [("model=vae",), ("model=vae", "dataset=wine"), ("dataset=text",), ("model=deep",)])
def test_a_command_is_recognized_in_what_its_run_saved(words):
    typed, saved = composed(*words), built(*words).config
    assert not differences(saved, typed)
    assert as_saved(typed, saved) == saved
    assert differences(saved, composed(*words, "model.latent_dim=3"))
    assert differences({**saved, "model": {**saved["model"], "loss": {"_target_": "other"}}}, typed)


def test_an_older_run_whose_length_was_the_data_sets_is_the_same_run():
    typed = composed()
    older = {k: v for k, v in typed["trainer"].items() if k != "max_steps"}
    saved = {**built().config, "trainer": {**older, "max_epochs": 100}}
    assert not differences(saved, typed)
    assert differences(saved, composed("trainer.max_steps=500"))
    assert differences({**saved, "trainer": {**older, "max_epochs": 99}}, typed)
