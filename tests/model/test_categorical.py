"""Codes of classes, and of classes beside real numbers: exact divergences, draws, temperatures, capacities."""

import math

import pytest
import torch
from torch.distributions import OneHotCategorical, kl_divergence

from aerun.core.errors import AerunError
from aerun.model.bottleneck.categorical import Categorical
from aerun.model.bottleneck.joint import Joint
from aerun.regularizer.kl import Kl
from aerun.regularizer.log_ratio import code_log_ratio, divergence
from tests.conftest import built

SHAPES = [(40, 12), (6, 12, 2, 3)]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def categorical(latent_dim=12, **settings):
    given = {"classes": 4, "sample": "straight_through", "temperature": 1.0, "final_temperature": 0.5}
    return Categorical(latent_dim=latent_dim, **given | settings)


def joint(latent_dim=7, **settings):
    given = {"classes": 4, "groups": 1, "sample": "straight_through", "temperature": 1.0, "final_temperature": 0.5}
    return Joint(latent_dim=latent_dim, **given | settings)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sample", ["straight_through", "relaxed"])
def test_the_divergence_is_that_of_the_classes(double, shape, sample):
    """P80: torch's own of OneHotCategorical, and log K - H; whatever the draw is like."""
    h = 3 * torch.randn(shape)
    out = categorical(sample=sample)(h, 0.3)
    logits = h.unflatten(1, (3, 4)).movedim(2, -1)
    expected = kl_divergence(OneHotCategorical(logits=logits), OneHotCategorical(logits=torch.zeros_like(logits)))
    found = divergence(out["posterior"], out["prior"], out["z"])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(found, math.log(4) - out["posterior"].entropies, rtol=0, atol=1e-12)
    kl = Kl(free_bits=0.0, capacity=None)(out["posterior"], out["prior"], z=out["z"])
    torch.testing.assert_close(kl, expected.flatten(1).sum(1))


@pytest.mark.parametrize("shape", SHAPES)
def test_hard_draws_are_one_hot_and_take_the_gradient_of_soft_ones(double, shape):
    """P80: the same noise, the same gradient; none is 0."""
    h, probe = torch.randn(shape, requires_grad=True), torch.randn(shape)
    slopes = []
    for sample in ("straight_through", "relaxed"):
        torch.manual_seed(1)
        z = categorical(sample=sample)(h, 0.5)["z"]
        groups = z.unflatten(1, (3, 4))
        torch.testing.assert_close(groups.sum(2), torch.ones_like(groups[:, :, 0]))
        one_hot = ((groups == 0) | (groups == 1)).all()
        assert one_hot == (sample == "straight_through")
        slopes.append(torch.autograd.grad((z * probe).sum(), h)[0])
    torch.testing.assert_close(*slopes)
    assert slopes[0].abs().min() > 0


def test_draws_come_as_often_as_their_classes(double):
    h = torch.randn(1, 12)
    posterior = categorical()(h)["posterior"]
    drawn = posterior.sample((40_000,))
    assert drawn.shape == (40_000, 1, 12)
    torch.testing.assert_close(drawn.mean(0), posterior.mean, rtol=0, atol=0.01)
    torch.testing.assert_close(drawn.var(0), posterior.variance, rtol=0, atol=0.01)
    torch.testing.assert_close(posterior.rsample((40_000,)).mean(0), posterior.mean, rtol=0, atol=0.01)


def test_the_log_ratio_of_draws_is_the_divergence_on_average(double):
    out = categorical()(torch.randn(5, 12))
    z = out["posterior"].sample((20_000,))
    ratio = code_log_ratio(z, out["posterior"], out["prior"])
    assert ratio.shape == (20_000, 5)
    torch.testing.assert_close(-ratio.mean(0), divergence(out["posterior"], out["prior"]).sum(1), rtol=0, atol=0.03)


@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_the_temperature_falls_along_a_line_and_is_logged(progress):
    """P80: T logged == schedule; validation leaves it as the last step of training had it."""
    bottleneck, h = categorical(temperature=2.0, final_temperature=0.4), torch.randn(4, 12)
    out = bottleneck(h, progress)
    assert out["posterior"].temperature == pytest.approx(2 - 1.6 * progress)
    bottleneck.eval()(h, 1.0)
    assert bottleneck.watch(h)["temperature"].item() == pytest.approx(2 - 1.6 * progress)
    assert bottleneck.watch(h)["bits"] == 6


def test_training_passes_its_progress_on():
    model = built("model=vae", "model/bottleneck=categorical").autoencoder.train()
    model.objective(torch.rand(8, 1, 8, 8), 0.5)
    assert model.bottleneck.heat == 0.75


def test_codes_have_numbers_and_a_uniform_prior():
    bottleneck, h = categorical().eval(), torch.randn(50, 12)
    assert bottleneck.levels == (4, 4, 4)
    assert torch.equal(bottleneck.lookup(bottleneck.indices(h)), bottleneck.code(h))
    assert torch.equal(bottleneck.code(torch.zeros(2, 12)), bottleneck.lookup(torch.zeros(2, 3).long()))
    prior = bottleneck(h)["prior"]
    torch.testing.assert_close(prior.log_prob(bottleneck.code(h)), torch.full((50,), -3 * math.log(4)))


def test_a_joint_code_is_both_side_by_side(double):
    bottleneck, h = joint(), torch.randn(6, 10)
    out = bottleneck(h, 0.5)
    kl = divergence(out["posterior"], out["prior"], out["z"])
    mu, log_var, logits = h.split([3, 3, 4], 1)
    torch.testing.assert_close(kl[:, :3], 0.5 * (mu.square() + log_var.exp() - log_var - 1))
    torch.testing.assert_close(kl[:, 3], math.log(4) - torch.special.entr(logits.softmax(1)).sum(1))
    assert torch.equal(bottleneck.code(h)[:, :3], mu)
    assert torch.equal(bottleneck.code(h)[:, 3:].argmax(1), logits.argmax(1))
    z = out["posterior"].sample((3000,))
    torch.testing.assert_close(z.mean(0), out["posterior"].mean, rtol=0, atol=0.35)
    ratio = code_log_ratio(out["posterior"].sample((40_000,)), out["posterior"], out["prior"])
    torch.testing.assert_close(-ratio.mean(0), kl.sum(1), rtol=0.05, atol=0.1)
    rounded = bottleneck.code(h) + 0.04
    torch.testing.assert_close(bottleneck.lookup(rounded)[:, 3:], bottleneck.code(h)[:, 3:])


def test_capacities_hold_each_part_at_its_own(double):
    """sum_b |mean KL_b - C_b progress|; one number holds the whole code."""
    out = joint()(torch.randn(6, 10))
    q, p = out["posterior"], out["prior"]
    real, classes = divergence(q, p).mean(0).split([3, 1])
    found = Kl(free_bits=0.0, capacity=[5.0, 1.0])(q, p, progress=0.5)
    torch.testing.assert_close(found, (real.sum() - 2.5).abs() + (classes.sum() - 0.5).abs())
    whole = Kl(free_bits=0.0, capacity=5.0)(q, p, progress=0.5)
    torch.testing.assert_close(whole, (real.sum() + classes.sum() - 2.5).abs())
    floor = Kl(free_bits=0.3, capacity=None)(q, p)
    torch.testing.assert_close(floor, divergence(q, p).mean(0).clamp_min(0.3).sum())


@pytest.mark.parametrize(
    ("over", "words"),
    [
        (["model/bottleneck=categorical", "model.latent_dim=12"], r"classes=8: .*model.latent_dim is 12: 16, say"),
        (["model/bottleneck=categorical", "model.bottleneck.classes=1"], r"model.bottleneck.classes=1"),
        (["model/bottleneck=categorical", "model.bottleneck.final_temperature=0"], r"final_temperature=0: .*gradient"),
        (["model/bottleneck=categorical", "model.bottleneck.sample=hard"], r"sample=hard.*straight_through.*relaxed"),
        (
            ["model/bottleneck=joint", "model.bottleneck.groups=2"],
            r"room for both, and model.latent_dim=8 .* 2 x 4 .*9 or more",
        ),
        (["model/bottleneck=joint", "reg.terms.kl.capacity=[3,1,1]"], r"3 numbers, and this code has 2 parts"),
        (["model/bottleneck=joint", "reg.terms.kl.capacity=[3,2]"], r"2 nats are more than the classes can hold, 1.386"),
        (["reg.terms.kl.capacity=[3,2]"], r"2 numbers, and this code has 1 part: it needs one number"),
        (["reg.terms.kl.capacity=[]"], r"capacity=\[\]: nats for each part"),
        (["model/prior=flow", "reg.terms.kl.capacity=[3]"], r"reg.terms.kl.capacity needs a divergence of each unit"),
        (["model/bottleneck=categorical", "model/prior=mixture"], r"categorical brings a prior of its own"),
        (
            ["model/bottleneck=categorical", "regularizer=contractive"],
            r"contractive needs `encode`, which model/bottleneck=cat",
        ),
        (["model/bottleneck=categorical", "regularizer=tc"], r"tc needs `factors`, which model/bottleneck=categorical"),
        (["model=iwae", "model/bottleneck=categorical", "model.bottleneck.sample=relaxed"], r"relaxed draws .* have none: use"),
    ],
)
def test_senseless_settings_are_refused_before_data_are_read(over, words):
    with pytest.raises(AerunError, match=words):
        built(*(over if over[0].startswith("model=") else ["model=vae", *over]))


@pytest.mark.parametrize("bottleneck", ["categorical", "joint"])
@pytest.mark.parametrize("term", ["kl", "iwae", "mmd", "adversarial"])
def test_terms_of_random_codes_train(bottleneck, term):
    model = built("model=vae", f"model/bottleneck={bottleneck}", f"regularizer={term}").autoencoder.train()
    model.objective(torch.rand(16, 1, 8, 8), 0.5).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.arch.parameters())
