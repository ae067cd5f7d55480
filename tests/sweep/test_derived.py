"""Settings that are derived from those of another job are what Hydra composes."""

import random

import pytest
from hydra.errors import ConfigCompositionException

from aerun.core.paths import config_dir
from aerun.settings.flat import flat
from aerun.settings.overrides import config_of, resolved, spelt_out
from aerun.settings.sources import Jobs, Source, composer
from aerun.sweep.derived import Derived

GROUPS = ["model", "dataset", "trainer", "optimizer", "schedule", "regularizer", "logger"]
GROUPS += [f"model/{part}" for part in ("arch", "bottleneck", "corruption", "loss")]
OPTIONS = [[f"{group}={path.stem}" for path in sorted((config_dir() / group).glob("*.yaml"))] for group in GROUPS]
VALUES = ["0", "3", "-1", "1e-3", "0.5", "true", "null", "word"]
STRANGE = ["5", "''", "'1'", "'a b'", "[1,2]", "{a: 1}", "${seed}", "'${seed}'", "???"]


@pytest.fixture(scope="module")
def derived():
    with composer(Source()) as hydra:
        yield Derived(Jobs(Source(), hydra, []))


@pytest.mark.parametrize("number", range(max(map(len, OPTIONS))))
def test_of_every_option(derived, number):
    """Four settings at a time, and one that others follow, in any order."""
    draw = random.Random(number)
    chosen = [options[number % len(options)] for options in OPTIONS]
    keys = [k for k in flat(derived(chosen).plain) if "_target_" not in k and not k.startswith(("logger", "callbacks"))]
    typed = ["model.latent_dim=3", *(f"{key}={draw.choice(VALUES)}" for key in draw.sample(keys, 4))]
    typed = spelt_out(draw.sample([*chosen, *typed], len(chosen) + len(typed)))
    job, same = derived(typed), derived._composed(typed)[0]
    assert job == same
    assert list(map(type, flat(job.plain).values())) == list(map(type, flat(same.plain).values()))
    if number % 9 == 0:
        assert job.plain == resolved(config_of([o for o in typed if o not in job.idle]))


def test_of_every_kind_of_value(derived):
    """One that cannot be composed is refused as it is by Hydra."""
    for value in STRANGE:
        for key in ("seed", "model.latent_dim", "tags", "+model.new"):
            typed = ["model=sparse", f"{key}={value}", "optimizer.lr=0.1", "seed=7"]
            try:
                expected = derived._composed(typed)[0]
            except Exception as e:
                with pytest.raises(type(e)):
                    derived(typed)
            else:
                assert derived(typed) == expected


def test_a_value_that_others_follow_is_composed(derived):
    assert derived(["model.latent_dim=5"]).plain["model"]["bottleneck"]["latent_dim"] == 5
    assert derived(["seed=9", "objective='${seed}'"]).plain["objective"] == 9
    assert derived(["model.loss={_target_: a}", "seed=1"]).plain["model"]["loss"]["_target_"] == "a"
    assert derived(["seed=1", "seed=2"]).plain["seed"] == 2
    with pytest.raises(ConfigCompositionException):
        derived(["~seed=5"])


def test_what_one_job_changes_is_no_other_jobs(derived):
    derived(["seed=5"]).plain["model"]["name"] = "other"
    assert derived(["seed=6"]).plain["model"]["name"] == "ae"


def test_an_option_without_the_setting_does_without_it(derived):
    assert derived(["trainer=smoke", "trainer.layer_epochs=3", "seed=1"]).idle == ("trainer.layer_epochs=3",)


def test_a_combination_is_composed_once(monkeypatch):
    with composer(Source()) as hydra:
        own = Derived(Jobs(Source(), hydra, []))
        calls = []
        compose = own._jobs.composed
        monkeypatch.setattr(own._jobs, "composed", lambda typed: calls.append(tuple(typed)) or compose(typed))
        for seed in range(50):
            for dim in (2, 3):
                own(["model=sparse", f"reg.lambda={seed / 10}", f"seed={seed}", f"model.latent_dim={dim}"])
    assert len(calls) == len(set(calls)) <= 4
