"""The Hamiltonian bound: steps that keep volume and energy, no steps as kl, gradients, refusals."""

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import Normal

from aerun.core.errors import AerunError
from aerun.regularizer.hamiltonian import Hamiltonian
from aerun.regularizer.log_ratio import divergence
from tests.conftest import built

SMALL = ["model=hvae", "model.latent_dim=3", "model.arch.hidden=[16]", "model.arch.activation=tanh"]


@pytest.fixture(autouse=True)
def _seeded(double):
    torch.manual_seed(0)


def judge(z):
    """A loss with curvature that changes from place to place."""
    return (torch.sin(2 * z).sum(1) + z.pow(4).sum(1) / 4 + (z[:, 0] * z[:, 1]))[None]


def leapfrog(start, size=0.2, steps=1, temper=1.0, monkeypatch=None):
    """(z_K, p_K) of (z_0, g), one vector of 2d, as the regularizer computes them, from what it asks and returns."""
    z, g = start.chunk(2)
    asked = []

    def remembered(points):
        asked.append(points)
        return judge(points)

    monkeypatch.setattr(torch, "randn_like", lambda _: g[None])
    prior = Normal(torch.zeros(1, len(z)), torch.ones(1, len(z)))
    term = Hamiltonian(steps=steps, size=size, temper=temper)
    momenta = []
    monkeypatch.setattr("aerun.regularizer.hamiltonian._energy", lambda p: momenta.append(p) or p.square().sum(1) / 2)
    own = judge(z[None])[0]
    term(z[None], prior, prior, own, remembered)
    return torch.cat([asked[-1][0], next(p for p in momenta if p is not g[None])[0]])


@pytest.mark.parametrize("d", [2, 3])
def test_a_step_keeps_volume(monkeypatch, d):
    """P94: the determinant of one step is 1; where momenta are tempered, that of the steps is what their density has lost."""
    start = torch.randn(2 * d, requires_grad=True)
    slopes = jacobian(lambda s: leapfrog(s, monkeypatch=monkeypatch), start)
    assert float(torch.linalg.det(slopes)) == pytest.approx(1, abs=1e-10)
    tempered = jacobian(lambda s: leapfrog(s, steps=3, temper=0.3, monkeypatch=monkeypatch), start)
    assert float(torch.linalg.det(tempered)) == pytest.approx(1, abs=1e-9)  # of (z_0, g): the scales cancel


@pytest.fixture
def _none_at_all(monkeypatch):
    """Let there be no steps, which is refused as a setting."""
    monkeypatch.setattr("aerun.regularizer.hamiltonian._FEWEST", 0)


@pytest.mark.usefixtures("_none_at_all")
def test_small_steps_keep_the_energy():
    z, prior = torch.randn(500, 3, requires_grad=True), Normal(torch.zeros(500, 3), torch.ones(500, 3))
    q, own = Normal(torch.zeros(500, 3), torch.ones(500, 3)), judge(z)[0]
    plain, *moved = (
        Hamiltonian(steps=k, size=e, temper=1.0)(z, q, prior, own, judge).detach() for k, e in ((0, 1), (10, 0.02), (10, 0.01))
    )
    errors = [(each - plain).abs().mean() for each in moved]
    assert errors[1] < errors[0] / 2
    assert errors[0] < 0.05


@pytest.mark.usefixtures("_none_at_all")
def test_no_steps_are_kl_at_the_draw():
    """P94, in training and in validation."""
    model = built(*SMALL, "reg.terms.hamiltonian.steps=0").autoencoder
    out = model.objective_pass(torch.rand(9, 1, 8, 8), progress=0.5)
    found = model.terms["hamiltonian"].regularizer(*(out[k] for k in ("z", "posterior", "prior", "reconstruction", "judge")))
    z = out["z"]
    torch.testing.assert_close(found, (out["posterior"].log_prob(z) - out["prior"].log_prob(z)).sum(1))
    exact = divergence(out["posterior"], out["prior"]).sum(1)
    assert (found.mean() - exact.mean()).detach().abs() < 3


@pytest.mark.parametrize("temper", [1.0, 0.3])
def test_the_bound_is_one(temper):
    """In a linear model with its true posterior, where log p(x) is known: on average the bound lies below it, and not far."""
    x = torch.randn(4)
    w = torch.randn(4, 2)

    def loss(z):
        rest = x - z @ w.t()
        return (rest.square().sum(1) / 2 + 2 * torch.log(torch.tensor(2 * torch.pi)))[None]

    precision = torch.eye(2) + w.t() @ w
    mean = torch.linalg.solve(precision, w.t() @ x)
    log_p = torch.distributions.MultivariateNormal(torch.zeros(4), torch.eye(4) + w @ w.t()).log_prob(x)
    n = 40_000
    q = torch.distributions.MultivariateNormal(mean.expand(n, 2), precision_matrix=precision)
    prior = Normal(torch.zeros(n, 2), torch.ones(n, 2))
    z = q.sample().requires_grad_()
    own = loss(z)[0]
    bound = -(Hamiltonian(steps=4, size=0.2, temper=temper)(z, q, prior, own, loss) + own).detach()
    assert float(bound.mean()) < float(log_p) + 4 * float(bound.std()) / n**0.5
    weights = (bound - log_p).exp()  # each draw's is an unbiased estimate of p(x)
    assert float(weights.mean()) == pytest.approx(1, abs=4 * float(weights.std()) / n**0.5 + 1e-6)


def test_gradients_go_through_the_steps():
    """Of the whole term against differences, encoder and decoder alike."""
    model = built(*SMALL).autoencoder.train()
    x = torch.rand(4, 1, 8, 8)

    def loss():
        torch.manual_seed(3)
        return model.objective(x, 0.5).loss

    weights = list(model.arch.parameters())
    found = torch.autograd.grad(loss(), weights)
    for weight, slope in zip(weights, found, strict=True):
        step = torch.randn_like(weight)
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                weight.add_(sign * 1e-5 * step)
            ends.append(float(loss().detach()))
            with torch.no_grad():
                weight.sub_(sign * 1e-5 * step)
        assert float((slope * step).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-6)


def test_validation_needs_no_graph_and_agrees_with_training():
    model = built(*SMALL).autoencoder
    x = torch.rand(4, 1, 8, 8)
    torch.manual_seed(3)
    graph = model.objective(x, None).loss
    torch.manual_seed(3)
    with torch.no_grad():
        plain = model.objective(x, None).loss
    torch.testing.assert_close(graph.detach(), plain)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["reg.terms.hamiltonian.steps=-1"], "hamiltonian.steps=-1: must be an integer of at least 1"),
        (["reg.terms.hamiltonian.steps=0"], "hamiltonian.steps=0: must be an integer of at least 1"),
        (["reg.terms.hamiltonian.size=-0.1"], "hamiltonian.size"),
        (["reg.terms.hamiltonian.temper=0"], "hamiltonian.temper"),
        (["model/bottleneck=vector"], "hamiltonian needs `posterior`"),
        (["model/bottleneck=categorical"], "hamiltonian needs codes that can move a little"),
        (["model/bottleneck=sphere"], "hamiltonian moves codes and needs such as can be any real vector"),
        (["model/bottleneck=joint"], "hamiltonian moves codes and needs"),
        (["model.arch.norm=batch"], "hamiltonian needs a decoder without norm=batch"),
        (["model/prior=uniform"], "regularizer=hamiltonian would be infinite"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(overrides, words):
    with pytest.raises(AerunError, match=words):
        built("model=hvae", *overrides)
