"""Posteriors of whole codes: densities that are those of their draws, determinants, divergences, refusals."""

import math
import pkgutil

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from aerun.core.errors import AerunError
from aerun.evaluate.likelihood import log_likelihood
from aerun.model.bottleneck.autoregressive import CONTEXT, Autoregressive, Gates
from aerun.model.bottleneck.bent import BentNormal
from aerun.model.bottleneck.full import FullNormal
from aerun.model.bottleneck.gaussian import Gaussian
from aerun.model.bottleneck.planar import Planar
from aerun.regularizer.log_ratio import code_log_ratio, divergence
from aerun.trainer.figures import non_finite
from tests.conftest import built

SMALL = ["model=vae", "model.latent_dim=3", "model.arch.hidden=[16]"]
ENTANGLED = ["full", "planar", "iaf"]


@pytest.fixture(autouse=True)
def _seeded(double):
    torch.manual_seed(0)


def planar(d=4, batch=5, steps=3):
    return Planar(2 * torch.randn(batch, steps * (2 * d + 1)), d, steps)


def iaf(d=4, batch=5, steps=2):
    gates = torch.nn.ModuleList(Gates(d, backwards=i % 2 == 1) for i in range(steps)).requires_grad_(False)
    for parameter in gates.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return Autoregressive(gates, torch.randn(batch, CONTEXT))


FLOWS = pytest.mark.parametrize("make", [planar, iaf], ids=lambda f: f.__name__)


def drawn(make, d=4, batch=5):
    return BentNormal(torch.randn(batch, d), torch.rand(batch, d) + 0.3, make(d, batch))


def slopes(steps, z):
    """The Jacobians (B, d, d) of a flow at codes z (B, d)."""
    whole = jacobian(lambda codes: steps.forward(codes)[0], z)
    return torch.stack([whole[i, :, i] for i in range(len(z))])


@FLOWS
@pytest.mark.parametrize("d", [1, 4])
def test_determinants_are_autograds_and_steps_are_inverted(make, d):
    """P64, P65."""
    steps, z = make(d), torch.randn(5, d)
    found, log_det = steps.forward(z)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(slopes(steps, z)).logabsdet, rtol=0, atol=1e-12)
    torch.testing.assert_close(steps.inverse(found), z, rtol=0, atol=1e-9)


def test_planar_steps_can_always_be_inverted():
    """P64: w^T u^ > -1 for any draw, and u^ = u stays bounded as w becomes small."""
    steps = Planar(torch.randn(20_000, 17), 8, 1)
    assert ((steps.w * steps.u).sum(-1) > -1).all()
    torch.testing.assert_close((steps.w * steps.u).sum(-1), steps.share - 1)
    parameters = torch.randn(100, 17)
    small = Planar(torch.cat([parameters[:, :8], 1e-4 * parameters[:, 8:]], 1), 8, 1)
    assert (small.u[:, 0].norm(dim=1) <= parameters[:, :8].norm(dim=1) + 1e-3).all()
    assert Planar(torch.zeros(2, 17), 8, 1).forward(torch.randn(2, 8))[1].abs().max() < 1e-12


def test_autoregressive_steps_look_back_alone_and_the_order_is_turned_round():
    """P65: one step has a triangular Jacobian, two a full one; every unit follows the sample."""
    z = torch.randn(5, 4)
    one, two = slopes(iaf(steps=1), z), slopes(iaf(steps=2), z)
    assert one.triu(1).abs().max() == 0
    assert one.tril().abs().amin(0)[*torch.tril_indices(4, 4)].min() > 0
    assert two.abs().amin() > 0
    gates = Gates(4, backwards=False)
    by_context = jacobian(lambda c: torch.cat(gates(torch.zeros(1, 4), c[None])), torch.randn(CONTEXT))
    assert by_context.abs().sum(-1).min() > 0


@FLOWS
def test_the_density_is_that_of_the_draws(make):
    """P65: log q of its own draw, known from the drawing, is that by inversion, with the same gradients; and has mass 1."""
    q = drawn(make)
    q.loc.requires_grad_()
    for shape in ((), (3,)):
        z = q.rsample(shape)
        torch.testing.assert_close(q.log_prob(z), q.log_prob(z.clone()), rtol=0, atol=1e-6)
    points = z.detach()
    (found,) = torch.autograd.grad(q.log_prob(points).sum(), q.loc)
    step, eps = torch.randn_like(q.loc), 1e-5
    ends = [BentNormal(q.loc.detach() + s * eps * step, q.scale, q.steps).log_prob(points).sum() for s in (1, -1)]
    assert float((found * step).sum()) == pytest.approx(float(ends[0] - ends[1]) / (2 * eps), rel=1e-5)
    one = BentNormal(torch.randn(1, 1), torch.rand(1, 1) + 0.5, make(1, 1))
    line = torch.linspace(-40, 40, 40_001)[:, None, None]
    assert float(torch.trapezoid(one.log_prob(line)[:, 0].exp(), line[:, 0, 0])) == pytest.approx(1, abs=1e-5)


def test_the_gradient_through_an_inverted_planar_step_is_the_implicit_one():
    steps, z = planar(), torch.randn(5, 4)
    back = jacobian(steps.inverse, z)
    back = torch.stack([back[i, :, i] for i in range(5)])
    eye = torch.eye(4).expand(5, 4, 4)
    torch.testing.assert_close(back @ slopes(steps, steps.inverse(z)), eye, rtol=0, atol=1e-8)


def full(d=4, batch=5):
    return FullNormal(torch.randn(batch, d), torch.randn(batch, d, d).tril(-1) + torch.diag_embed(torch.rand(batch, d) + 0.3))


def test_a_full_posterior_is_torchs():
    q = full()
    oracle = MultivariateNormal(q.loc, scale_tril=q.lower)
    z = q.rsample((3,))
    torch.testing.assert_close(q.log_prob(z), oracle.log_prob(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(q.variance, oracle.variance)
    standard = MultivariateNormal(torch.zeros(4), torch.eye(4))
    prior = Normal(torch.zeros(5, 4), torch.ones(5, 4))
    torch.testing.assert_close(kl_divergence(q, prior), kl_divergence(oracle, standard), rtol=0, atol=1e-12)
    many = q.rsample((40_000,))
    torch.testing.assert_close(many.mean(0), q.loc, rtol=0, atol=0.06)
    torch.testing.assert_close(torch.cov(many[:, 0].t()), q.lower[0] @ q.lower[0].t(), rtol=0.05, atol=0.08)


def test_a_full_posterior_closes_the_gap_of_a_linear_model():
    """P66: ELBO == log p where q is the true posterior; that of the best independent units is lower by their KL."""
    d, noise, x = 4, 0.7, torch.randn(6)
    w = torch.randn(6, d)
    precision = torch.eye(d) + w.t() @ w / noise**2
    mean = torch.linalg.solve(precision, w.t() @ x / noise**2)[None]
    lower = torch.linalg.cholesky(torch.linalg.inv(precision))[None]
    prior = Normal(torch.zeros(1, d), torch.ones(1, d))
    log_p = MultivariateNormal(torch.zeros(6), w @ w.t() + noise**2 * torch.eye(6)).log_prob(x)

    def elbo(q, covariance):
        error = (x - w @ mean[0]).square().sum() + (w @ covariance @ w.t()).trace()
        return -error / (2 * noise**2) - 3 * math.log(2 * math.pi * noise**2) - kl_divergence(q, prior).sum()

    best = elbo(FullNormal(mean, lower), lower[0] @ lower[0].t())
    alone = Normal(mean, precision.diagonal().rsqrt()[None])
    gap = (precision.diagonal().log().sum() - torch.logdet(precision)) / 2
    assert gap > 0.05
    assert float(best) == pytest.approx(float(log_p), abs=1e-10)
    assert float(best - elbo(alone, alone.variance[0].diag())) == pytest.approx(float(gap), abs=1e-10)


def test_the_divergence_at_draws_is_the_closed_form_on_average():
    """P67."""
    q, n = full(batch=1), 20_000
    prior = Normal(torch.zeros(1, 4), torch.ones(1, 4))
    ratio = -code_log_ratio(q.rsample((n,)), q, prior)[:, 0]
    assert abs(float(ratio.mean() - kl_divergence(q, prior))) < 3 * float(ratio.std()) / math.sqrt(n)


@FLOWS
def test_a_flow_has_no_formula_and_the_divergence_is_that_of_the_draw(make):
    q = drawn(make)
    prior, z = Normal(torch.zeros(5, 4), torch.ones(5, 4)), q.rsample()
    found = divergence(q, prior, z)
    torch.testing.assert_close(found, q.log_prob(z) - prior.log_prob(z).sum(1))
    assert found.shape == (5,)


def test_diagonal_is_what_it_was():
    """The same numbers from the same noise, and nothing to learn."""
    bottleneck, h = Gaussian(latent_dim=3, posterior="diagonal", steps=None), torch.randn(5, 6, 2)
    torch.manual_seed(3)
    out = bottleneck(h)
    torch.manual_seed(3)
    mu, log_var = h.chunk(2, 1)
    scale = (log_var / 2).exp()
    assert torch.equal(out["z"], mu + scale * torch.randn_like(scale))
    assert out["factors"] is out["posterior"]
    assert not bottleneck.state_dict()
    assert bottleneck.features == 6


@pytest.mark.parametrize("posterior", ENTANGLED)
@pytest.mark.parametrize("term", ["kl", "iwae", "mmd", "adversarial", "swae"])
def test_terms_of_random_codes_train(posterior, term):
    model = built(*SMALL, f"model.bottleneck.posterior={posterior}", f"regularizer={term}").autoencoder.train()
    model.objective(torch.rand(16, 1, 8, 8), 0.5).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.arch.parameters())
    assert (
        posterior != "iaf"
        or term in ("mmd", "swae", "adversarial")
        or all(p.grad is not None for p in model.bottleneck.parameters())
    )


@pytest.mark.parametrize("posterior", ENTANGLED)
@pytest.mark.parametrize("d", [1, 3])
def test_bounds_rise_with_the_number_of_codes(posterior, d):
    """P27: the mean over samples; also that of all learned priors, and of a code of one unit."""
    plan = built(*SMALL, f"model.latent_dim={d}", f"model.bottleneck.posterior={posterior}", "model/prior=flow")
    x = torch.rand(20, 1, 8, 8)
    few, many = (float(log_likelihood(plan.autoencoder.double().eval(), x, k).mean()) for k in (1, 200))
    assert few < many


@pytest.mark.parametrize("posterior", ENTANGLED)
def test_groups_of_codes_ask_for_densities_of_codes_that_were_stacked(posterior):
    """PIWAE's encoder takes log q of all codes together, by inversion."""
    over = ["reg.terms.iwae.groups=2", "reg.terms.iwae.samples=3", "reg.terms.iwae.encoder=groups"]
    model = built("model=iwae", *SMALL[1:], *over, f"model.bottleneck.posterior={posterior}").autoencoder.train()
    model.objective(torch.rand(8, 1, 8, 8), 0.5).loss.backward()
    assert all(p.grad.isfinite().all() for p in model.arch.parameters())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["posterior=tall"], "posterior=tall: must be one of diagonal, full, planar, iaf, gamma"),
        (["posterior=full", "steps=3"], "steps=3: model.bottleneck.posterior=full has no steps.*planar"),
        (["posterior=iaf", "steps=0"], "model.bottleneck.steps=0"),
        (["posterior=iaf", "regularizer=[kl,tc]"], "tc needs `factors`.*gaussian does not give with .*=iaf. Use .*diagonal"),
        (["posterior=full", "regularizer=[kl,dip]"], "dip needs `factors`.*with model.bottleneck.posterior=full. Use"),
        (["posterior=planar", "reg.terms.kl.free_bits=0.1"], "kl.free_bits needs a divergence of each unit, and .*=planar"),
        (["posterior=full", "regularizer=[kl,nested]"], "nested needs a divergence of each unit, and .*posterior=full"),
        (["posterior=full", "model/prior=vamp"], "model/prior=vamp needs `factors`"),
        (["posterior=iaf", "model=iwae", "reg.terms.iwae.encoder=dreg"], "encoder=dreg needs `factors`.*posterior=diagonal"),
        (["posterior=iaf", "model/arch=conv", "model.arch.code=spatial"], "posterior=iaf needs codes that are vectors"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_makes_no_sense_is_refused_in_words(overrides, words):
    settings = [f"model.bottleneck.{o}" if o.startswith(("posterior", "steps")) else o for o in overrides]
    with pytest.raises(AerunError, match=words):
        built("model=vae", *settings)


# -- positive units ------------------------------------------------------------------------------------------------------


GAMMA = [*SMALL, "model.bottleneck.posterior=gamma"]


def test_a_gamma_posterior_is_the_prior_where_features_are_0_and_its_mean_is_the_code():
    bottleneck, h = Gaussian(latent_dim=3, posterior="gamma", steps=None), torch.randn(5, 6)
    out = bottleneck(torch.zeros(5, 6))
    assert kl_divergence(out["posterior"], out["prior"]).abs().max() < 1e-9
    q = bottleneck(h)["posterior"]
    torch.testing.assert_close(bottleneck.code(h), q.mean)
    torch.testing.assert_close(q.mean, 2 * torch.nn.functional.softplus(h[:, :3]) / math.log(2), rtol=0, atol=2e-6)
    torch.testing.assert_close(q.variance, q.mean.square() / (2 * h[:, 3:].exp()))
    extreme = bottleneck(torch.tensor([[-1e4] * 3 + [-1e4] * 3, [1e4] * 3 + [1e4] * 3, [1e30] * 3 + [0.0] * 3]).float())
    assert extreme["z"].isfinite().all()
    assert kl_divergence(extreme["posterior"], extreme["prior"]).isfinite().all()
    assert torch.equal(bottleneck.nearest(extreme["z"]), extreme["z"].clamp_min(1e-6))


def test_the_divergence_of_gamma_codes_is_its_integral_and_draws_have_its_moments():
    """By quadrature over each unit; draws have mean m and variance m^2 / a, and gradients that are implicit."""
    h = torch.tensor([[0.5, -2.0, 3.0, 1.0, 4.0, -1.0]], requires_grad=True)
    out = Gaussian(latent_dim=3, posterior="gamma", steps=None)(h)
    q, p = out["posterior"], out["prior"]
    log_z = torch.linspace(-40, 6, 40_001)[:, None, None].expand(-1, 1, 3)
    density = q.log_prob(log_z.exp()) + log_z
    mass = torch.trapezoid(density.exp(), log_z, dim=0)
    torch.testing.assert_close(mass, torch.ones_like(mass), rtol=0, atol=1e-6)
    nats = torch.trapezoid(density.exp() * (density - log_z - p.log_prob(log_z.exp())), log_z, dim=0)
    torch.testing.assert_close(kl_divergence(q, p), nats, rtol=0, atol=1e-5)
    n = 100_000
    drawn = q.rsample((n,))
    torch.testing.assert_close(drawn.mean(0), q.mean, rtol=0.02, atol=0)
    torch.testing.assert_close(drawn.var(0), q.variance, rtol=0.06, atol=0)
    ratio = -code_log_ratio(drawn, q, p)[:, 0]
    assert abs(float((ratio.mean() - kl_divergence(q, p).sum()).detach())) < 4 * float(ratio.detach().std()) / math.sqrt(n)
    (moved,) = torch.autograd.grad(drawn.square().mean(0).sum(), h, retain_graph=True)
    (exact,) = torch.autograd.grad((q.variance + q.mean.square()).sum(), h)
    torch.testing.assert_close(moved, exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("term", ["kl", "iwae", "mmd", "swae", "tc", "dip"])
def test_terms_of_gamma_codes_train(term):
    model = built(*GAMMA, f"regularizer={term}").autoencoder.train()
    out = model.objective(torch.rand(16, 1, 8, 8), 0.5)
    out.loss.backward()
    assert out.names["z"].min() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.arch.parameters())


def test_groups_of_gamma_codes_descend_the_doubly_reparametrized_gradient():
    model = built("model=iwae", *GAMMA[1:], "reg.terms.iwae.encoder=dreg").autoencoder.train()
    model.objective(torch.rand(8, 1, 8, 8), 0.5).loss.backward()
    assert all(p.grad.isfinite().all() for p in model.arch.parameters())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["model/prior=mixture"],
            "mixture needs codes of the kind `real`, and .*posterior=gamma brings a prior",
        ),
        (["model/prior=flow"], "Use model.bottleneck.posterior=diagonal"),
        (
            ["regularizer=hamiltonian"],
            "hamiltonian moves codes and .* which those of .*posterior=gamma cannot",
        ),
        (["model.bottleneck.steps=2"], "steps=2: model.bottleneck.posterior=gamma has no steps"),
    ],
)
def test_what_positive_codes_cannot_have_is_refused(overrides, words):
    with pytest.raises(AerunError, match=words):
        built(*GAMMA, *overrides)


BROKEN = {
    "aerun.model.bottleneck.planar.Planar.forward": ["model.bottleneck.posterior=planar"],
    "aerun.model.bottleneck.autoregressive.Autoregressive.forward": ["model.bottleneck.posterior=iaf"],
    "aerun.model.prior.couplings.Couplings.forward": ["model/prior=flow"],
}


@pytest.mark.parametrize("map_", BROKEN)
def test_a_log_determinant_that_is_no_number_is_told_by_its_part(map_, monkeypatch):
    whole = pkgutil.resolve_name(map_)
    monkeypatch.setattr(map_, lambda *given: (whole(*given)[0], whole(*given)[1] * math.nan))
    model = built("model=vae", "model.latent_dim=3", "model.arch.hidden=[8]", *BROKEN[map_]).autoencoder
    parts = torch.stack(model.objective(torch.rand(4, 1, 8, 8), 0.5).parts)[None]
    told = str(non_finite(parts, model, training=True, first=7, epoch=2))
    assert f": reg/kl, reg_w/kl, by the log density of codes under {BROKEN[map_][0]}. " in told
