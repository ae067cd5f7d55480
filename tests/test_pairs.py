"""Every pair of options trains one step or is refused by name."""

from functools import cache
from itertools import combinations

import pytest
import torch
from omegaconf import OmegaConf

from aerun.build import build
from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.settings.catalog import catalog
from aerun.settings.overrides import config_of, resolved
from tests.conftest import built

ROOMS = ("model/arch", "model/bottleneck", "model/corruption", "model/loss", "model/prior", "regularizer")


OPTIONS = {group: [name for name in names if name != "auto"] for group, names in catalog().items()}


def pairs(first, second):
    """Every option of one group with every option of the other."""
    return [(f"{first}={x}", f"{second}={y}") for x in OPTIONS[first] for y in OPTIONS[second]]


PARTS = [pair for a, b in combinations(ROOMS, 2) for pair in pairs(a, b)]
RECIPES = [pair for room in (*ROOMS, "trainer", "optimizer") for pair in pairs("model", room)]


@cache
def base(dataset):
    """The default composition with another data set, not yet resolved."""
    cfg = config_of([f"dataset={dataset}"])
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key not in ("hydra", "sweep", "search")])


@cache
def option(group, name):
    """What the file of an option holds."""
    return OmegaConf.load(config_dir() / group / f"{name}.yaml")


def swapped(dataset, *choices):
    """What `aerun dataset=... GROUP=OPTION` composes where only parts are chosen, without Hydra's cost."""
    cfg = base(dataset).copy()
    OmegaConf.set_struct(cfg, False)
    for choice in choices:
        group, name = choice.split("=")
        node = option(group, name)
        if group == "regularizer":
            cfg.reg.terms = {} if name == "none" else {name: node}
        else:
            cfg.model[group.split("/")[1]] = node
    return OmegaConf.to_container(cfg, resolve=True)


def one_step(plan):
    """One optimizer step; the objective before it."""
    model = plan.autoencoder
    x = torch.rand(16, *plan.facts.shape, generator=torch.Generator().manual_seed(1))
    valid = torch.arange(x.shape[1]) < torch.randint(1, x.shape[1] + 1, (16, 1)) if plan.facts.ragged else None
    optimizer = plan.optimizer.make(model.own_parameters())
    known = {} if model.told is None else {"c": model.told(torch.arange(16.0)[:, None] % 10)}
    loss = model.objective(x, 1.0, valid, **known).loss
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
    optimizer.step()
    assert model(x, **known).shape == x.shape
    return loss


def trains_or_is_refused(make):
    try:
        plan = make()
    except AerunError as e:
        words = str(e)
        known = (
            "needs",
            "not a setting",
            "means nothing",
            "has no way",
            "reads samples of one length",
            "no such regularizer",
            "does not exist for",
        )
        assert any(w in words for w in known), words
        return
    assert one_step(plan).isfinite()


@pytest.mark.parametrize("pair", PARTS, ids=" ".join)
def test_parts_train_or_are_refused_by_name(pair):
    trains_or_is_refused(lambda: build(swapped("digits", *pair)))


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["sines", "japanese_vowels", "text"])
@pytest.mark.parametrize("pair", [p for p in PARTS if p[0].startswith("model/arch")], ids=" ".join)
def test_parts_for_sequences_train_or_are_refused_by_name(dataset, pair):
    trains_or_is_refused(lambda: build(swapped(dataset, *pair)))


@pytest.mark.slow
@pytest.mark.parametrize("pair", RECIPES, ids=" ".join)
def test_recipes_train_with_every_option_or_refuse_it_by_name(pair):
    trains_or_is_refused(lambda: built(*pair))


def test_swapping_parts_is_what_the_command_line_composes():
    chosen = ("model/arch=conv", "model/bottleneck=gaussian", "regularizer=kl")
    assert swapped("digits", *chosen) == resolved(config_of(["dataset=digits", *chosen]))


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
