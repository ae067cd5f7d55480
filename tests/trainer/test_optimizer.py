"""Optimizers: aerun's options, and torch's by their names."""

import pytest
import torch
from torch import nn

from aerun.build import build
from aerun.build.optimizer import torch_names
from aerun.core.errors import AerunError
from aerun.settings.catalog import catalog
from aerun.trainer.lion import Lion
from tests.conftest import built, composed
from tests.shell import here

OPTIONS = [f"optimizer={name}" for name in catalog()["optimizer"] if name != "torch"]
BASE = composed("optimizer=torch", "optimizer.name=NAdam")


def torchs(name, **settings):
    """The optimizer that `optimizer=torch optimizer.name=NAME` builds, without Hydra's cost."""
    return build({**BASE, "optimizer": {"_target_": f"torch.optim.{name}", "name": name, "lr": 0.01, **settings}}).optimizer


def falls(recipe):
    """|| a W + b - t ||^2 falls by a third within 400 steps."""
    weight, bias = nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(4))
    optimizer, x = recipe.make([weight, bias]), torch.eye(3)
    losses = []
    for _ in range(400):
        loss = (x @ weight + bias - 1).square().sum()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[-1] < losses[0] * 2 / 3


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_descends(option):
    assert falls(built(option, "optimizer.lr=0.01").optimizer)


@pytest.mark.parametrize("name", torch_names())
def test_every_optimizer_of_torch_descends(name):
    more = {"Adadelta": {"lr": 1.0, "eps": 1e-3}, "Adafactor": {"lr": 0.1, "eps": [None, 1.0]}}.get(name, {})
    assert falls(torchs(name, **more))


def test_lion_is_its_formula(double):
    """Against the formula written out by hand: decay, sign and momentum in their order."""
    g = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, generator=g)
    own, m = nn.Parameter(weight.clone()), torch.zeros(5, 3)
    optimizer = Lion([own], lr=0.1, betas=(0.8, 0.95), weight_decay=0.2)
    for _ in range(4):
        own.grad = torch.randn(5, 3, generator=g)
        weight = weight - 0.1 * (torch.sign(0.8 * m + 0.2 * own.grad) + 0.2 * weight)
        m = 0.95 * m + 0.05 * own.grad
        optimizer.step()
        torch.testing.assert_close(own.detach(), weight)


def test_decay_spares_biases_of_every_kind():
    recipe = torchs("NAdam", weight_decay=0.1)
    groups = recipe.make([nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))]).param_groups
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"name": "nadam"}, "nearest: NAdam"),
        ({"name": None}, "needs optimizer.name=NAME; one of ASGD"),
        ({"name": "Optimizer"}, "no such optimizer"),
        ({"name": "lr_scheduler.StepLR"}, "no such optimizer"),
        ({"name": "LBFGS"}, "several times a step"),
        ({"name": "RAdam"}, "RAdam: is a setting of optimizer=torch, and torch.optim.NAdam is chosen"),
        ({"momentm_decay": 1.0}, "nearest: momentum_decay"),
        ({"momentum_decay": "x"}, "momentum_decay=x: must be a number"),
        ({"betas": [2.0, 0.9]}, r"optimizer \(NAdam\): Invalid beta"),
        ({"lr": -1.0}, "optimizer.lr=-1"),
    ],
)
def test_what_torch_would_refuse_is_refused(node, words):
    with pytest.raises(AerunError, match=words):
        build({**BASE, "optimizer": {**BASE["optimizer"], **node}})


def test_only_optimizers_are_optimizers():
    with pytest.raises(AerunError, match="is no optimizer"):
        build({**BASE, "optimizer": {"_target_": "torch.nn.ReLU"}})


def test_a_run_with_one_of_torchs_resumes(tmp_path):
    quick = ("trainer=smoke", "pictures=[]", "trainer.progress=false", "hydra.run.dir=run", "optimizer.momentum_decay=0.01")
    told = here(tmp_path, "optimizer=torch", "optimizer.name=NAdam", *quick)
    assert told.code == 0, told.err
    assert here(tmp_path, "resume", "run", "--epochs", "2").code == 0
