"""Every pair of options trains one step or is refused by name."""

import json
from itertools import combinations

import pytest
import torch

from aerun.build import build
from aerun.core.errors import AerunError
from aerun.settings.catalog import catalog
from aerun.settings.overrides import config_of, resolved
from tests.conftest import built
from tests.quick_parts import settings

ROOMS = ("model/arch", "model/bottleneck", "model/corruption", "model/loss", "model/prior", "regularizer")
OPTIONS = {group: [name for name in names if name != "auto"] for group, names in catalog().items()}
KNOWN = (
    "needs",
    "not a setting",
    "means nothing",
    "has no way",
    "reads samples of one length",
    "no such regularizer",
    "does not exist for",
    "no term reads what is told",
)
WIDE, NARROW = [512, 256], [32, 16]  # widths decide nothing about which parts go together, and most of the time


def one_step(plan):
    """One optimizer step; the objective before it."""
    model = plan.autoencoder
    x = torch.rand(16, *plan.facts.shape, generator=torch.Generator().manual_seed(1))
    valid = torch.arange(x.shape[1]) < torch.randint(1, x.shape[1] + 1, (16, 1)) if plan.facts.ragged else None
    optimizer = plan.optimizer.make(model.own_parameters())
    told = model.preparation.told  # also where terms alone are told it
    known = {} if told is None else {"c": told(torch.arange(16.0)[:, None] % 10)}
    loss = model.objective(x, 1.0, valid, **known).loss
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
    optimizer.step()
    assert model(x, **known).shape == x.shape
    return loss


DONE = set()  # what was tried in this process: a recipe with its own options is one and the same run


def trains_or_is_refused(typed):
    config = settings(typed)
    if config["model"]["arch"].get("hidden") == WIDE:
        config["model"]["arch"]["hidden"] = NARROW
    key = json.dumps({**config, "model": {**config["model"], "name": None}})
    if key in DONE:
        return
    plan, told = None, ""
    try:
        plan = build(config)
    except AerunError as e:
        told = str(e)
    if plan is None:
        assert any(words in told for words in KNOWN), told
    else:
        assert one_step(plan).isfinite()
    DONE.add(key)


def each(choices):
    """Try them all, then name those that fail."""
    wrong = {}
    for typed in choices:
        try:
            trains_or_is_refused(typed)
        except Exception as e:
            wrong[" ".join(f"{group}={option}" for group, option in typed.items())] = f"{type(e).__name__}: {e}"
    assert not wrong


def pairs(group, option, rooms):
    """An option with every option of these rooms."""
    return [{group: option, room: other} for room in rooms for other in OPTIONS[room]]


@pytest.mark.parametrize(
    ("first", "option", "second"), [(a, option, b) for a, b in combinations(ROOMS, 2) for option in OPTIONS[a]]
)
def test_parts_train_or_are_refused_by_name(first, option, second):
    each(pairs(first, option, [second]))


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["sines", "japanese_vowels", "text"])
@pytest.mark.parametrize("arch", OPTIONS["model/arch"])
def test_parts_for_sequences_train_or_are_refused_by_name(dataset, arch):
    each({"dataset": dataset, **pair} for pair in pairs("model/arch", arch, ROOMS[1:]))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", OPTIONS["model"])
def test_recipes_train_with_every_option_or_refuse_it_by_name(recipe):
    each(pairs("model", recipe, (*ROOMS, "trainer", "optimizer")))


def typed_at(number):
    """A recipe, and with it an option of some of the rooms: over all numbers every option of each is there."""
    names = {room: OPTIONS[room][number % len(OPTIONS[room])] for room in (*ROOMS, "trainer", "optimizer")}
    return {"model": OPTIONS["model"][number % len(OPTIONS["model"])], **names}


NUMBERS = range(max(map(len, OPTIONS.values())))


@pytest.mark.parametrize("number", [n if n % 5 == 0 else pytest.param(n, marks=pytest.mark.slow) for n in NUMBERS])
def test_settings_are_what_the_command_line_composes(number):
    """Every recipe with all rooms replaced at once, and with one of them."""
    typed = typed_at(number)
    one = list(typed)[1 + number % (len(typed) - 1)]
    for chosen in (typed, {"model": typed["model"], one: typed[one]}):
        assert settings(chosen) == resolved(config_of([f"{group}={option}" for group, option in chosen.items()]))


def test_settings_of_other_data_are_what_the_command_line_composes():
    for dataset in ("sines", "japanese_vowels", "text"):
        assert settings({"dataset": dataset, "model/arch": "conv"}) == resolved(
            config_of([f"dataset={dataset}", "model/arch=conv"])
        )


REFUSED = [
    ("regularizer=kl", "model/bottleneck=vector", "`posterior`.*gaussian"),
    ("regularizer=rate", "model/bottleneck=vector", "`rate`.*sigmoid"),
    ("regularizer=rate", "model/bottleneck=gaussian", "`rate`.*sigmoid"),
    ("regularizer=contractive", "model.arch.norm=batch", "couples samples"),
    ("model/bottleneck=gaussian", "model.arch.tied=true", "tied"),
]


@pytest.mark.parametrize(("a", "b", "words"), REFUSED)
def test_what_is_illegal_says_why_and_what_would_work(a, b, words):
    with pytest.raises(AerunError, match=words):
        built(a, b)


def test_identity_risk_is_told_only_where_nothing_constrains_the_code():
    assert "IdentityRisk" in built("model.latent_dim=64").warnings[0]
    assert "IdentityRisk" in built("model=sparse", "reg.lambda=0").warnings[0]
    assert not built("model=overcomplete").warnings
    assert not built("model=sparse").warnings
    assert not built("model.latent_dim=63").warnings
