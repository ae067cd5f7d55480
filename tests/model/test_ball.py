"""Codes in hyperbolic space: exact maps and densities, geodesics, what is refused, and a run that is used."""

import math

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import Normal

from aerun import load
from aerun.core.errors import AerunError
from aerun.evaluate.likelihood import log_likelihood
from aerun.model.bottleneck.ball import Ball
from aerun.model.bottleneck.hyperbolic import FARTHEST, add, from_middle, inside, length, log_growth, move, to_middle, toward
from aerun.model.bottleneck.wrapped import StandardWrapped, WrappedNormal
from aerun.regularizer.log_ratio import code_log_ratio, divergence
from aerun.trainer.figures import non_finite
from tests.conftest import built
from tests.shell import here

SMALL = ["model=vae", "model.latent_dim=3", "model.arch.hidden=[16]", "model/bottleneck=ball"]


@pytest.fixture(autouse=True)
def _seeded(double):
    torch.manual_seed(0)


def directions(n=50, d=4):
    return torch.nn.functional.normalize(torch.randn(n, d), dim=1)


def distance(a, b):
    """Of points, by the formula with arcosh."""
    sides = (1 - a.square().sum(-1)) * (1 - b.square().sum(-1))
    return torch.acosh(1 + 2 * (a - b).square().sum(-1) / sides)


def test_maps_are_each_others_inverse_to_distance_10():
    """P79: from the middle, and at other points; lengths of vectors are distances."""
    u = directions() * torch.linspace(0, 10, 50)[:, None]
    torch.testing.assert_close(to_middle(from_middle(u)), u, rtol=1e-9, atol=1e-9)
    at = from_middle(2 * directions())
    v = directions() * torch.linspace(0, 8, 50)[:, None]
    z = move(at, v)
    torch.testing.assert_close(toward(at, z), v, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(distance(at, z), v.norm(dim=1), rtol=1e-7, atol=1e-6)
    torch.testing.assert_close(add(-at, at), torch.zeros_like(at), rtol=0, atol=1e-12)
    assert torch.autograd.functional.jacobian(from_middle, torch.zeros(3)).sub(torch.eye(3) / 2).abs().max() < 1e-9


@pytest.mark.parametrize(("d", "s"), [(1, 1.0), (2, 0.7), (3, 2.0), (8, 1.0)])
def test_a_wrapped_normal_has_mass_1(d, s):
    """P79: by quadrature over the distance, shells of hyperbolic space having the area of sinh(r)^(d - 1)."""
    r = torch.linspace(1e-10, 14 * s, 200_001)
    direction = torch.zeros(len(r), d)
    direction[:, 0] = 1
    own = from_middle(direction * r[:, None])
    q = WrappedNormal(torch.zeros(1, d), torch.full((1, d), s).log(), torch.float64)
    log_area = math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
    shells = log_area + (d - 1) * (r.log() + log_growth(r[:, None])[:, 0])
    density = (q.log_prob(own[:, None])[:, 0] + shells).exp()
    assert float(torch.trapezoid(density, r)) == pytest.approx(1, abs=1e-8)


def test_the_density_is_what_the_change_of_variables_makes_of_it():
    """By hyperbolic volume: that of coordinates times ((1 - |z|^2) / 2)^d; known from drawing or found from the point."""
    middle, s = from_middle(directions(5) * 1.5), torch.rand(5, 4) + 0.3
    q = WrappedNormal(middle, s.log(), torch.float64)
    z = q.rsample()
    torch.testing.assert_close(q.log_prob(z), q.log_prob(z.clone()), rtol=1e-9, atol=1e-9)
    u = toward(middle, z)
    slopes = torch.stack([jacobian(lambda v, m=m: move(m, v), own) for m, own in zip(middle, u, strict=True)])
    by_coordinates = Normal(torch.zeros_like(s), s).log_prob(u).sum(1) - torch.linalg.slogdet(slopes).logabsdet
    by_volume = by_coordinates + 4 * ((1 - z.square().sum(1)) / 2).log()
    torch.testing.assert_close(q.log_prob(z), by_volume, rtol=1e-9, atol=1e-9)


def test_draws_lie_about_mu_and_the_prior_is_the_posterior_at_the_middle():
    q = WrappedNormal(from_middle(directions(1) * 2), torch.full((1, 4), 0.8).log(), torch.float64)
    z = q.rsample((40_000,))
    torch.testing.assert_close(toward(q.middle, z).square().mean((0, 1)), torch.full((4,), 0.64), rtol=0.05, atol=0)
    p = StandardWrapped(torch.zeros(6, 4))
    same = WrappedNormal(torch.zeros(6, 4), torch.zeros(6, 4), torch.float64)
    points = p.sample()
    torch.testing.assert_close(p.log_prob(points), same.log_prob(points))
    torch.testing.assert_close(to_middle(p.draw(40_000)).var(0), torch.ones(4), rtol=0.04, atol=0)
    assert divergence(same, p, same.rsample()).abs().max() < 1e-9  # a ratio of one density to itself
    ratio = -code_log_ratio(z, q, StandardWrapped(torch.zeros(1, 4)))[:, 0]
    assert float(ratio.mean()) > 3 * float(ratio.std()) / 200  # a divergence is above 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whatever_features_are_codes_are_points_and_gradients_finite(dtype):
    ball = Ball(latent_dim=3)
    rows = [[0.0] * 6, [1e4] * 6, [-1e30, 0, 0, 10, 10, 10], [1e-20] * 3 + [-1e4] * 3]
    h = torch.tensor(rows, dtype=dtype, requires_grad=True)
    out = ball(h)
    z = out["z"]
    assert (z.norm(dim=1) <= 1 + 1e-6).all()
    assert (ball.nearest(z).norm(dim=1) < 1).all()
    assert (ball.code(h).norm(dim=1) < 1).all()
    loss = divergence(out["posterior"], out["prior"], z).sum() + ball.read(z).sum() + ball.code(h).sum()
    assert loss.isfinite()
    assert z.dtype == loss.dtype == dtype
    (slope,) = torch.autograd.grad(loss, h)
    assert slope.isfinite().all()
    off = ball.nearest(torch.tensor([[3.0, 4.0, 0.0], [0.1, 0.0, 0.0]], dtype=dtype))
    assert torch.equal(ball.nearest(off), off)
    torch.testing.assert_close(off[0, 0] / off[0, 1], off.new_tensor(0.75))
    assert float(length(ball.read(off))[0]) == pytest.approx(FARTHEST, rel=0.01)


def test_the_way_between_codes_is_the_shortest_at_equal_speed():
    ball = Ball(latent_dim=4)
    a, b = inside(from_middle(3 * directions(2)))
    way = ball.between(a, b, torch.linspace(0, 1, 5))
    torch.testing.assert_close(way[[0, -1]], torch.stack([a, b]), rtol=0, atol=1e-9)
    steps = distance(way[1:], way[:-1])
    torch.testing.assert_close(steps, distance(a, b).expand(4) / 4, rtol=1e-6, atol=1e-6)
    assert way[2].norm() < torch.lerp(a, b, 0.5).norm()  # it bends inward


@pytest.mark.parametrize("term", ["kl", "iwae", "mmd", "adversarial", "swae"])
def test_terms_of_random_codes_train(term):
    model = built(*SMALL, f"regularizer={term}").autoencoder.train()
    model.objective(torch.rand(16, 1, 8, 8), 0.5).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.arch.parameters())


def test_bounds_rise_with_the_number_of_codes():
    """P27."""
    plan = built(*SMALL)
    few, many = (float(log_likelihood(plan.autoencoder.double().eval(), torch.rand(20, 1, 8, 8), k).mean()) for k in (1, 200))
    assert few < many


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["regularizer=l2"], "l2 means nothing here: all codes of model/bottleneck=ball are points of a ball"),
        (["reg.terms.kl.free_bits=0.1"], "free_bits needs a divergence of each unit.*=ball"),
        (["model/prior=mixture"], "ball brings a prior of its own. It works with gaussian, vector"),
        (["regularizer=tc"], "tc needs `factors`, which model/bottleneck=ball"),
        (["regularizer=dip"], "dip needs `factors`, which model/bottleneck=ball"),
        (["regularizer=nested"], "nested sets the last units"),
        (["regularizer=hamiltonian"], "moves codes .* those of model/bottleneck=ball cannot. It works with gaussian, ladder"),
        (["model/arch=conv", "model.arch.code=spatial"], "ball needs codes that are vectors"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(overrides, words):
    with pytest.raises(AerunError, match=words):
        built("model=vae", "model/bottleneck=ball", *overrides)


def test_a_log_density_that_is_no_number_is_told_by_its_term(monkeypatch):
    monkeypatch.setattr("aerun.model.bottleneck.wrapped.log_growth", lambda r: r * math.nan)
    model = built(*SMALL).autoencoder
    parts = torch.stack(model.objective(torch.rand(4, 1, 8, 8), 0.5).parts)[None]
    told = str(non_finite(parts, model, training=True, first=7, epoch=2))
    assert told.startswith(
        "loss is not finite at step 7 (epoch 2): reg/kl, reg_w/kl, by the log density of codes under model/bottleneck=ball. "
    )


def test_a_run_in_a_ball_is_used(tmp_path, caplog):
    torch.set_default_dtype(torch.float32)
    tiny = ["trainer.max_epochs=1", "pictures=[interpolations]", "trainer.progress=false", "hydra.run.dir=run"]
    told = here(tmp_path, "model=poincare_vae", "model.arch.hidden=[16]", "model.latent_dim=2", *tiny)
    assert told.code == 0, told.err
    model = load(tmp_path / "run")
    x = model.generate(6, seed=1)
    assert np.isfinite(x).all()
    z = np.asarray(model.encode(x))
    assert (np.linalg.norm(z, axis=1) < 1).all()
    way = model.interpolate(x[:2], x[2:4], steps=3)
    assert np.isfinite(way).all()
    np.testing.assert_allclose(way[:, 0], model.reconstruct(x[:2]), atol=2e-2)
    with pytest.raises(AerunError, match=r"way=spherical: .* goes along a geodesic"):
        model.interpolate(x[:2], x[2:4], way="spherical")
    with pytest.raises(AerunError, match="sampler=gaussian: draws real codes, and this run's are points of a ball"):
        model.generate(3, sampler="gaussian")
    np.testing.assert_allclose(model.decode(np.array([[3.0, 0.0]])), model.decode(np.array([[0.99998771, 0.0]])), atol=1e-4)
    assert "1 of 1 codes are moved to the nearest that this run can have" in caplog.text
