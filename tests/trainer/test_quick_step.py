"""Steps without what is there for compilers are those of torch's optimizers, to the bit."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, NAdam

from aerun.trainer.lion import Lion
from aerun.trainer.optimizer import Recipe
from aerun.trainer.quick_step import quick_step

CASES = {
    "adam": (Adam, {"fused": True}),
    "adam, decayed": (Adam, {"fused": True, "weight_decay": 0.1}),
    "adamw": (AdamW, {"fused": True, "weight_decay": 0.1}),
    "amsgrad": (Adam, {"fused": True, "amsgrad": True}),
    "adam by loops": (Adam, {}),
    "sgd": (SGD, {"momentum": 0.9}),
    "nadam": (NAdam, {}),
    "of our own": (Lion, {}),
}


def descended(recipe, step_of, rests=()):
    """The weights after some steps at a falling rate; in steps of `rests` the last bias has no gradient."""
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 5)), torch.randn(8, 5)
    optimizer = recipe.make(net.parameters())
    step = step_of(optimizer)
    for number in range(12):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 / (1 + number)
        optimizer.zero_grad()
        ((net(x) - x) ** 2).mean().backward()
        if number in rests:
            net[2].bias.grad = None
        step()
    return net.state_dict(), copy.deepcopy(optimizer.state_dict())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rests", [(), (0, 5)])
def test_weights_and_states_are_the_same(name, rests):
    cls, settings = CASES[name]
    recipe = Recipe(cls, {"lr": 0.01, **settings})
    (one, state), (other, states) = (descended(recipe, f, rests) for f in (quick_step, lambda optimizer: optimizer.step))
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert str(state) == str(states)


def test_hooks_are_called():
    optimizer, called = Adam([nn.Parameter(torch.ones(1))], fused=True), []
    optimizer.register_step_pre_hook(lambda *_: called.append(1))
    quick_step(optimizer)()
    assert called == [1]
