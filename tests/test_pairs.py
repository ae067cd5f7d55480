"""Every pair of options trains one step or is refused by name."""

from itertools import combinations

import pytest
import torch

from aerun.command.catalog import catalog
from aerun.errors import AerunError
from tests.conftest import built

GROUPS = ("model", "model/arch", "model/bottleneck", "model/corruption", "model/loss", "regularizer", "optimizer", "schedule")
PAIRS = [
    (f"{a}={x}", f"{b}={y}")
    for a, b in combinations(GROUPS, 2)
    for x in catalog()[a]
    for y in catalog()[b]
    if not {a, b} <= {"optimizer", "schedule"}
]


def one_step(plan):
    """One optimizer step; the objective before it."""
    model = plan.autoencoder
    x = torch.rand(16, *plan.facts.shape, generator=torch.Generator().manual_seed(1))
    optimizer = plan.optimizer.make(model.parameters())
    loss = model.objective(x, 1.0).loss
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
    optimizer.step()
    assert model(x).shape == x.shape
    return loss


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_trains_or_is_refused_by_name(pair):
    try:
        plan = built(*pair)
    except AerunError as e:
        words = str(e)
        assert "needs" in words or "not a setting" in words, words
        return
    assert one_step(plan).isfinite()


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


KINDS = ["l1", "rate", "contractive", "kl"]
FIT = {"l1": "relu", "rate": "sigmoid", "contractive": "sigmoid", "kl": "gaussian"}


@pytest.mark.parametrize("kind", KINDS)
def test_lambda_zero_is_the_plain_autoencoder_bit_for_bit_and_large_lambda_is_not(kind):
    found = {}
    for name, overrides in {
        "plain": ["regularizer=none"],
        "zero": [f"regularizer={kind}", "reg.lambda=0"],
        "weight zero": [f"regularizer={kind}", f"reg.terms.{kind}.weight=0"],
        "large": [f"regularizer={kind}", "reg.lambda=100"],
    }.items():
        plan = built(f"model/bottleneck={FIT[kind]}", "model/corruption=gaussian", *overrides)
        torch.manual_seed(0)
        one_step(plan)
        found[name] = torch.cat([p.detach().flatten() for p in plan.autoencoder.parameters()])
    assert torch.equal(found["plain"], found["zero"])
    assert torch.equal(found["plain"], found["weight zero"])
    assert not torch.equal(found["plain"], found["large"])


SETTINGS = [
    ("model/arch=mlp", "model.arch.hidden=[16]"),
    ("model/arch=mlp", "model.arch.activation=tanh"),
    ("model/arch=mlp", "model.arch.norm=batch"),
    ("model/arch=mlp", "model.arch.norm=layer"),
    ("model/arch=mlp", "model.arch.dropout=0.5"),
    ("model/arch=mlp", "model.arch.tied=true"),
    ("model/arch=linear", "model.arch.tied=true"),
    ("model/arch=conv", "model.arch.hidden=[8]"),
    ("model/arch=conv", "model.arch.activation=gelu"),
    ("model/arch=conv", "model.arch.norm=batch"),
    ("model/arch=conv", "model.arch.norm=layer"),
    ("model/arch=conv", "model.arch.dropout=0.5"),
    ("model/arch=conv", "model.arch.tied=true"),
    ("model/corruption=gaussian", "model.corruption.sigma=0.5"),
    ("model/corruption=masking", "model.corruption.p=0.6"),
    ("model/loss=mse", "model.loss.activation=sigmoid"),
    ("model/loss=mse", "model.loss.reduction=mean"),
    ("model/loss=bce", "model.loss.reduction=mean"),
    ("regularizer=l1", "reg.terms.l1.norm_weighted=false"),
    ("regularizer=l1", "reg.terms.l1.weight=0.5"),
    ("regularizer=l1 ", "reg.lambda=0.5"),
    ("model=sparse_kl", "reg.terms.rate.rho=0.2"),
    ("regularizer=contractive", "reg.terms.contractive.method=exact"),
    ("regularizer=contractive", "reg.terms.contractive.probes=3"),
    ("model=vae", "model.latent_dim=3"),
]


@pytest.mark.parametrize(("base", "setting"), SETTINGS)
def test_every_setting_changes_the_result(base, setting):
    losses = []
    for overrides in ([base.strip()], [base.strip(), setting]):
        torch.manual_seed(0)
        plan = built(*overrides)
        torch.manual_seed(0)
        losses.append(one_step(plan))
        losses[-1] = plan.autoencoder.eval()(torch.full((1, *plan.facts.shape), 0.3)).sum() + losses[-1]
    assert losses[0] != losses[1]


def test_identity_risk_is_told_only_where_nothing_constrains_the_code():
    assert "IdentityRisk" in built("model.latent_dim=64").warnings[0]
    assert "IdentityRisk" in built("model=sparse", "reg.lambda=0").warnings[0]
    assert not built("model=overcomplete").warnings
    assert not built("model=sparse").warnings
    assert not built("model.latent_dim=63").warnings
