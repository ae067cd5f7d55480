"""Every pair of options trains one step or is refused by name."""

from itertools import combinations

import pytest
import torch

from aerun.command.catalog import catalog
from aerun.errors import AerunError
from tests.conftest import built

GROUPS = ("model", "model/arch", "model/bottleneck", "model/corruption", "model/loss", "regularizer", "trainer", "optimizer")
PAIRS = [
    (f"{a}={x}", f"{b}={y}")
    for a, b in combinations(GROUPS, 2)
    for x in catalog()[a]
    for y in catalog()[b]
    if not {a, b} <= {"optimizer", "trainer"}
]


def one_step(plan):
    """One optimizer step; the objective before it."""
    model = plan.autoencoder
    x = torch.rand(16, *plan.facts.shape, generator=torch.Generator().manual_seed(1))
    valid = torch.arange(x.shape[1]) < torch.randint(1, x.shape[1] + 1, (16, 1)) if plan.facts.ragged else None
    optimizer = plan.optimizer.make(model.own_parameters())
    loss = model.objective(x, 1.0, valid).loss
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
    optimizer.step()
    assert model(x).shape == x.shape
    return loss


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_trains_or_is_refused_by_name(pair):
    trains_or_is_refused(*pair)


def trains_or_is_refused(*overrides):
    try:
        plan = built(*overrides)
    except AerunError as e:
        words = str(e)
        assert any(w in words for w in ("needs", "not a setting", "means nothing", "reads samples of one length")), words
        return
    assert one_step(plan).isfinite()


ROOMS = ("model/bottleneck", "model/corruption", "model/loss", "regularizer")
OTHERS = [(f"model/arch={a}", f"{g}={o}") for a in catalog()["model/arch"] for g in ROOMS for o in catalog()[g]]


@pytest.mark.parametrize("dataset", ["sines", "japanese_vowels", "text"])
@pytest.mark.parametrize("pair", OTHERS, ids=" ".join)
def test_sequences_train_or_are_refused_by_name(dataset, pair):
    trains_or_is_refused(f"dataset={dataset}", *pair)


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
