"""Codes on a sphere, and codes in levels: exact densities, divergences, draws from the top down, refusals."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from aerun.core.errors import AerunError
from aerun.evaluate.likelihood import log_likelihood
from aerun.model.bottleneck.gaussian import Gaussian
from aerun.model.bottleneck.ladder import Ladder
from aerun.model.bottleneck.levels import merged
from aerun.model.bottleneck.spherical import PowerSpherical, UniformSphere
from aerun.regularizer.log_ratio import code_log_ratio, divergence
from tests.conftest import built
from tests.shell import here

SMALL = ["model=vae", "model.arch.hidden=[16]"]


@pytest.fixture(autouse=True)
def _seeded(double):
    torch.manual_seed(0)


def spherical(d=8, k=10.0, batch=1):
    direction = torch.nn.functional.normalize(torch.randn(batch, d), dim=1)
    return PowerSpherical(direction, torch.full((batch,), k))


@pytest.mark.parametrize(("d", "k", "nats"), [(3, 1, 0.193147181), (8, 10, 1.650329570), (20, 50, 7.292727922)])
def test_a_power_spherical_density_has_mass_1_and_its_divergence(d, k, nats):
    """P78: by quadrature over the angle to mu, and the values of the card."""
    q = spherical(d, float(k))
    angle = torch.linspace(0, math.pi, 200_001)
    log_ring = math.log(2) + (d - 1) / 2 * math.log(math.pi) - math.lgamma((d - 1) / 2)
    ring = log_ring + (d - 2) * angle.sin().clamp_min(1e-300).log()
    log_q = q.log_constant + k * torch.log1p(angle.cos().clamp_min(-1 + 1e-15))
    density = (log_q + ring).exp()
    assert float(torch.trapezoid(density, angle)) == pytest.approx(1, abs=1e-9)
    uniform = UniformSphere(q.direction)
    found = float(kl_divergence(q, uniform))
    assert found == pytest.approx(float(torch.trapezoid(density * (log_q + uniform.log_area), angle)), abs=1e-9)
    assert found == pytest.approx(nats, abs=1e-9)


def test_draws_are_directions_about_mu():
    """P78: E[mu^T z] = k / (k + d - 1), 10/17 here; the mean is mu times that, and log ratios are the divergence on average."""
    q = spherical()
    z = q.rsample((200_000,))
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(200_000, 1), rtol=0, atol=1e-9)
    assert float((z * q.direction).sum(-1).mean()) == pytest.approx(10 / 17, abs=0.002)
    torch.testing.assert_close(z.mean(0), q.mean, rtol=0, atol=0.005)
    ratio = -code_log_ratio(z[:20_000], q, UniformSphere(q.direction))[:, 0]
    assert abs(float(ratio.mean()) - 1.650329570) < 3 * float(ratio.std()) / math.sqrt(20_000)
    uniform = UniformSphere(torch.zeros(1, 8))
    drawn = uniform.sample((50_000,))
    torch.testing.assert_close(drawn.var(0), uniform.variance, rtol=0.03, atol=0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_first_axis_and_its_opposite_are_as_finite_as_others(sign):
    """P78: 0/0 in the reflection."""
    direction = torch.zeros(4, 3)
    direction[:, 0] = sign
    direction.requires_grad_()
    k = torch.full((4,), 5.0, requires_grad=True)
    z = PowerSpherical(direction, k).rsample((1000,))
    gradients = torch.autograd.grad((z * torch.randn(3)).sum(), [direction, k])
    assert all(g.isfinite().all() for g in gradients)
    assert float(z.detach()[..., 0].mean()) == pytest.approx(sign * 5 / 7, abs=0.02)


def test_the_length_of_features_says_nothing_and_draws_take_gradients():
    model = built(*SMALL, "model/bottleneck=sphere").autoencoder
    h = torch.randn(5, 9)
    code = model.bottleneck.code(h)
    torch.testing.assert_close(code, model.bottleneck.code(3 * h))
    out = model.bottleneck(h.requires_grad_())
    assert all(g.abs().max() > 0 for g in torch.autograd.grad(out["z"].square()[:, 0].sum(), h))
    assert (
        divergence(out["posterior"], out["prior"], out["z"]) >= float(kl_divergence(spherical(8, 1.0), out["prior"])[0])
    ).all()


def ladder(levels=(5, 3), hidden=7, latent_dim=8):
    made = Ladder(latent_dim=latent_dim, levels=levels, hidden=hidden)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made.requires_grad_(False)


def test_one_level_is_the_gaussian_code_bit_for_bit(monkeypatch):
    """P72."""
    monkeypatch.setattr("aerun.model.bottleneck.ladder._FEWEST", 1)  # as a setting it is refused
    one, other = Ladder(latent_dim=4, levels=[1], hidden=7), Gaussian(latent_dim=4, posterior="diagonal", steps=None)
    h = torch.randn(6, one.features)
    assert one.features == other.features
    found = []
    for bottleneck in (one, other):
        torch.manual_seed(3)
        out = bottleneck(h)
        prior = out.get("prior", Normal(torch.zeros(6, 4), torch.ones(6, 4)))
        found.append(
            (out["z"], divergence(out["posterior"], prior, out["z"]), out["posterior"].log_prob(out["z"]), bottleneck.code(h))
        )
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_level_that_is_told_nothing_follows_the_prior():
    """P72: evidence of precision 0 leaves p; between two of the same precision lies the middle."""
    p = Normal(torch.randn(5, 3), torch.rand(5, 3) + 0.3)
    q = merged(torch.randn(5, 3), torch.full((5, 3), 80.0), p)
    assert kl_divergence(q, p).abs().max() < 1e-12
    even = merged(p.loc + 2, 2 * p.scale.log(), p)
    torch.testing.assert_close(even.loc, p.loc + 1)
    torch.testing.assert_close(even.scale, p.scale / 2**0.5)


def test_densities_are_found_from_the_codes_and_not_from_the_first_draw():
    """P72: log_prob of a draw is that of its own path; several draws each have a top of their own."""
    bottleneck = ladder()
    out = bottleneck(torch.randn(2, bottleneck.features))
    q, p = out["posterior"], out["prior"]
    path = torch.cat([own.log_prob(z) for (own, _), z in zip(q.path, out["z"].split([5, 3], 1), strict=True)], 1)
    torch.testing.assert_close(q.log_prob(out["z"]), path)
    given = torch.cat([above.log_prob(z) for (_, above), z in zip(q.path, out["z"].split([5, 3], 1), strict=True)], 1)
    torch.testing.assert_close(p.log_prob(out["z"]), given.sum(1))
    many = q.rsample((40_000,))
    means = q.path[0][0].loc
    assert (many[:, :, :5].mean(0) - means).abs().max() > 0.05, "all lower levels were drawn given one top"


def test_the_divergence_along_draws_is_that_of_the_whole_code():
    """The mean of the path's closed parts, and of the log ratio, are one number."""
    bottleneck, n = ladder(), 40_000
    out = bottleneck(torch.randn(1, bottleneck.features).repeat(n, 1))
    closed = divergence(out["posterior"], out["prior"], out["z"])
    assert closed.shape == (n, 8)
    ratio = -code_log_ratio(out["z"], out["posterior"], out["prior"])
    assert abs(float(ratio.mean() - closed.sum(1).mean())) < 4 * float(ratio.std()) / math.sqrt(n)
    drawn = out["prior"].draw(20_000)
    torch.testing.assert_close(drawn[:, 5:].var(0), torch.ones(3), rtol=0, atol=0.05)


def test_the_prior_of_a_fresh_ladder_is_standard():
    fresh, z = Ladder(latent_dim=8, levels=[0.75, 0.25], hidden=16), torch.randn(5, 8)
    assert fresh.widths == [6, 2]
    p = fresh(torch.randn(5, fresh.features))["prior"]
    torch.testing.assert_close(p.log_prob(z), Normal(0.0, 1.0).log_prob(z).sum(1))


@pytest.mark.parametrize("bottleneck", ["sphere", "ladder"])
def test_bounds_rise_with_the_number_of_codes(bottleneck):
    """P27."""
    plan = built(*SMALL, f"model/bottleneck={bottleneck}")
    few, many = (float(log_likelihood(plan.autoencoder.double().eval(), torch.rand(20, 1, 8, 8), k).mean()) for k in (1, 200))
    assert few < many


@pytest.mark.parametrize("bottleneck", ["sphere", "ladder"])
@pytest.mark.parametrize("term", ["kl", "iwae", "mmd", "adversarial", "swae"])
def test_terms_of_random_codes_train(bottleneck, term):
    model = built(*SMALL, f"model/bottleneck={bottleneck}", f"regularizer={term}").autoencoder.train()
    model.objective(torch.rand(16, 1, 8, 8), 0.5).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.arch.parameters())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model/bottleneck=sphere", "model.latent_dim=1"], "sphere: needs model.latent_dim=2"),
        (
            ["model/bottleneck=sphere", "regularizer=l2"],
            "l2 means nothing here: all codes of model/bottleneck=sphere have length 1",
        ),
        (["model/bottleneck=sphere", "reg.terms.kl.free_bits=0.1"], "free_bits needs a divergence of each unit.*=sphere"),
        (["model/bottleneck=sphere", "model/prior=mixture"], "sphere brings a prior of its own. It works with gaussian"),
        (["model/bottleneck=sphere", "regularizer=tc"], "tc needs `factors`, which model/bottleneck=sphere"),
        (["model/bottleneck=sphere", "regularizer=factor"], "factor means nothing here: .* have length 1"),
        (["model/bottleneck=ball", "regularizer=factor"], "factor means nothing here: .* of length below 1"),
        (["model/bottleneck=sphere", "model/prior=flow", "regularizer=adversarial"], "sphere brings a prior of its own"),
        (["model/bottleneck=sphere", "regularizer=nested"], "nested sets the last units"),
        (["model/bottleneck=sphere", "model/arch=conv", "model.arch.code=spatial"], "sphere needs codes that are vectors"),
        (["model/bottleneck=ladder", "model/arch=conv", "model.arch.code=spatial"], "ladder needs codes that are vectors"),
        (["model/bottleneck=ladder", "model.bottleneck.levels=[0.95,0.05]"], r"levels=\[0.95, 0.05\]: must be shares"),
        (["model/bottleneck=ladder", "model.bottleneck.levels=[5,4]"], r"levels=\[5, 4\]: .*latent_dim=8"),
        (["model/bottleneck=ladder", "model.bottleneck.levels=[8]"], r"levels=\[8\]: one level is model/bottleneck=gaussian"),
        (["model/bottleneck=ladder", "model.bottleneck.levels=[]"], r"levels=\[\]: must be shares"),
        (["model/bottleneck=ladder", "model.bottleneck.levels=[12,-4]"], "levels="),
        (["model/bottleneck=ladder", "regularizer=dip"], "dip needs `factors`"),
        (["model/bottleneck=ladder", "model/prior=flow"], "ladder brings a prior of its own"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(overrides, words):
    with pytest.raises(AerunError, match=words):
        built("model=vae", *overrides)


def test_free_bits_of_a_ladder_are_those_of_its_units():
    model = built(*SMALL, "model/bottleneck=ladder", "reg.terms.kl.free_bits=0.5").autoencoder
    assert model.objective(torch.rand(16, 1, 8, 8), None).parts[2] >= 8 * 0.5


def test_a_run_on_a_sphere_is_used(tmp_path):
    torch.set_default_dtype(torch.float32)
    tiny = ["trainer.max_epochs=1", "pictures=[]", "trainer.progress=false", "hydra.run.dir=run"]
    assert here(tmp_path, "model=svae", "model.arch.hidden=[16]", "model.latent_dim=3", *tiny).code == 0
    assert here(tmp_path, "generate", "run", "--count", "3", "--output", "new.npz").code == 0
    told = here(tmp_path, "generate", "run", "--count", "3", "--sampler", "gaussian", "--output", "g.npz")
    assert told.code == 2
    assert "sampler=gaussian: draws real codes, and this run's have length 1. Use prior or aggregate." in told.err
