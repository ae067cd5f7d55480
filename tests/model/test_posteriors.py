"""Posteriors of whole codes: densities that are those of their draws, determinants, divergences, refusals."""

import math

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
        (["posterior=tall"], "posterior=tall: must be one of diagonal, full, planar, iaf"),
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
