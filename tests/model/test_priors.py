"""Priors: densities that integrate to 1, are sampled as they say, and are learned by the terms that evaluate them."""

import math

import pytest
import torch
from torch.distributions import Categorical as Choice
from torch.distributions import Independent, MixtureSameFamily, Normal, kl_divergence

from aerun.core.errors import AerunError
from aerun.model.prior.couplings import Bent, Couplings
from aerun.model.prior.density import GaussianMixture
from aerun.model.prior.flow import Flow
from aerun.model.prior.mixture import Mixture
from aerun.regularizer.log_ratio import divergence
from tests.conftest import built
from tests.shell import here

LEARNED = ["mixture", "vamp", "flow"]
SMALL = ["model=vae", "model.latent_dim=3", "model.arch.hidden=[16]"]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def random_mixture(k=4, d=3, batch=1):
    return GaussianMixture(
        batch, torch.randn(k, d).double(), torch.rand(k, d).double() + 0.3, torch.randn(k).double().log_softmax(0)
    )


def bent(d=3, steps=4):
    """A flow that is far from the identity, in 64 bits."""
    flow = Couplings(d, steps, 8).double()
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return flow.requires_grad_(False)


def test_a_mixture_is_torchs():
    p = random_mixture()
    oracle = MixtureSameFamily(Choice(logits=p.log_weights), Independent(Normal(p.centres, p.scales), 1))
    z = torch.randn(5, 3).double()
    torch.testing.assert_close(p.log_density(z), oracle.log_prob(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(p.mean[0], oracle.mean)
    torch.testing.assert_close(p.variance[0], oracle.variance)
    drawn = p.draw(40_000)
    torch.testing.assert_close(drawn.mean(0), oracle.mean, rtol=0, atol=0.04)
    torch.testing.assert_close(drawn.var(0), oracle.variance, rtol=0.04, atol=0)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_determinant_of_a_flow_is_autograds_and_it_is_inverted(d):
    """P64."""
    flow, z = bent(d), torch.randn(6, d).double()
    u, log_det = flow(z)
    for i in range(len(z)):
        jacobian = torch.autograd.functional.jacobian(lambda one: flow(one[None])[0][0], z[i])
        assert float(log_det[i]) == pytest.approx(float(torch.linalg.slogdet(jacobian).logabsdet), abs=1e-12)
    torch.testing.assert_close(flow.inverse(u), z, rtol=1e-10, atol=1e-10)


def test_a_flow_has_mass_1_and_begins_as_the_standard_normal():
    flow = bent(1)
    line = torch.linspace(-60, 60, 60_001).double()[:, None]
    assert float(torch.trapezoid(Bent(1, flow).log_density(line).exp(), line[:, 0])) == pytest.approx(1, abs=1e-6)
    fresh, z = Flow(latent_dim=3, steps=6, hidden=8), torch.randn(5, 3)
    torch.testing.assert_close(fresh(z).log_prob(z), Normal(0.0, 1.0).log_prob(z).sum(1))


@pytest.mark.parametrize("p", [random_mixture(batch=4), Bent(4, bent())], ids=["mixture", "flow"])
def test_draws_and_densities_have_the_shapes_of_torch(p):
    assert p.sample().shape == (4, 3)
    assert p.sample((2,)).shape == (2, 4, 3)
    assert p.log_prob(p.sample((2,))).shape == (2, 4)
    assert p.mean.shape == p.variance.shape == (4, 3)


def test_the_divergence_at_draws_is_the_closed_form_on_average():
    """P67: a mixture of one component at N(0, I) is the standard prior; where q = p it does not vary at all."""
    one = Mixture(latent_dim=3, components=1, start="spread").double().requires_grad_(False)
    torch.nn.init.zeros_(one.centre)
    mu, scale = torch.randn(3).double(), torch.rand(3).double() + 0.5
    q = Normal(mu.expand(20_000, 3), scale.expand(20_000, 3))
    closed = float(kl_divergence(q, Normal(0.0, 1.0)).sum(1)[0])
    values = divergence(q, one(q.mean), q.sample())
    assert abs(float(values.mean()) - closed) < 3 * float(values.std()) / math.sqrt(20_000)
    same = Normal(torch.zeros(50, 3).double(), torch.ones(50, 3).double())
    assert divergence(same, one(same.mean), same.sample()).abs().max() < 1e-12


def test_a_posterior_that_a_flow_bends_alike_for_all_samples_is_a_learned_prior():
    """P67: log q(z) - log p(z) of z = f(z0), by autograd, is log q0(z0) less the density of z0 under the prior that f makes."""
    flow, q0 = bent(3), Normal(torch.randn(5, 3).double(), torch.rand(5, 3).double() + 0.5)
    z0 = q0.sample()
    z = flow(z0)[0]
    slopes = [torch.autograd.functional.jacobian(lambda one: flow(one[None])[0][0], one) for one in z0]
    bends = torch.stack([torch.linalg.slogdet(slope).logabsdet for slope in slopes])
    posterior = q0.log_prob(z0).sum(1) - bends - Normal(0.0, 1.0).log_prob(z).sum(1)
    prior = q0.log_prob(z0).sum(1) - Bent(5, flow).log_prob(z0)
    torch.testing.assert_close(posterior, prior, rtol=1e-10, atol=1e-10)


def test_a_mixture_of_one_component_trains_as_the_standard_prior():
    """P69: the same objective on average, in the objective itself."""
    plan = built(*SMALL, "model/prior=mixture", "model.prior.components=1")
    x = torch.rand(1, *plan.facts.shape).expand(20_000, *plan.facts.shape)
    with torch.no_grad():
        plan.autoencoder.prior.centre.zero_()
        names = plan.autoencoder.objective_pass(x)
        found = plan.autoencoder.terms["kl"].regularizer(names["posterior"], names["prior"], z=names["z"])
    closed = kl_divergence(names["posterior"], Normal(0.0, 1.0)).sum(1)
    assert abs(float(found.mean() - closed.mean())) < 4 * float(found.std()) / math.sqrt(len(found))


def test_the_bound_of_a_mixture_is_above_its_divergence():
    """P69: KL to a mixture is at most that of VaDE, whatever the responsibilities."""
    p, q = random_mixture(5, 2), Normal(torch.randn(1, 2).double(), torch.full((1, 2), 0.4).double())
    z = q.sample((100_000,))[:, 0]
    exact = float((q.log_prob(z).sum(1) - p.log_density(z)).mean())
    parts = kl_divergence(q, Normal(p.centres, p.scales)).sum(1)
    best = (p.log_weights - parts).softmax(0)
    for gamma in (best, p.log_components(z).softmax(1).mean(0), p.log_components(z[:1]).softmax(1)[0]):
        vade = float((gamma * (parts + gamma.clamp_min(1e-300).log() - p.log_weights)).sum())
        assert vade >= exact - 0.02


def test_all_samples_as_inputs_give_the_information_of_the_code():
    """P68: mean KL = I(x; z), between 0 and log N."""
    n = 200
    plan = built(*SMALL, "model/prior=vamp", f"model.prior.inputs={n}")
    x = torch.rand(n, *plan.facts.shape)
    model = plan.autoencoder.double().eval()
    with torch.no_grad():
        model.prior.inputs.copy_(x)
        for parameter in model.arch.encoder.parameters():
            parameter.mul_(3)  # so that codes say something
        names = model.clean_pass(x.double())
        kl = divergence(names["posterior"], names["prior"], names["posterior"].sample((200,)))
    assert 0.2 < float(kl.mean()) <= math.log(n)


@pytest.mark.parametrize("prior", LEARNED)
def test_a_learned_prior_is_moved_by_kl_and_by_nothing_that_draws(prior):
    inputs = ["model.prior.inputs=20"] if prior == "vamp" else []
    plan = built(*SMALL, f"model/prior={prior}", *inputs, "regularizer=[kl,mmd]")
    model, x = plan.autoencoder, torch.rand(32, *plan.facts.shape)
    model.start_from(x)
    names = model.objective_pass(x, progress=1.0)
    own = list(model.prior.parameters())
    moved = torch.autograd.grad(model.terms["kl"].regularizer(names["posterior"], names["prior"], z=names["z"]).mean(), own)
    assert any(g.abs().max() > 0 for g in moved)
    assert not names["prior"].sample().requires_grad


def test_inputs_begin_as_training_samples_and_stay_in_range():
    plan = built(*SMALL, "model/prior=vamp", "model.prior.inputs=20")
    stored = torch.randint(0, 17, (50, *plan.facts.shape), dtype=torch.uint8)
    plan.autoencoder.start_from(stored)
    prior, x = plan.autoencoder.prior, plan.autoencoder.units(stored)
    assert all((x == u).flatten(1).all(1).any() for u in prior.inputs.detach())
    with torch.no_grad():
        prior.inputs.add_(5)
        far = plan.autoencoder.clean_pass(x[:2].float())["prior"].centres
        prior.inputs.fill_(1)
        torch.testing.assert_close(plan.autoencoder.clean_pass(x[:2].float())["prior"].centres, far)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model/prior=mixture"], "model/prior=mixture needs a term by which it is learned: regularizer=kl or iwae"),
        (["model/prior=flow", "regularizer=mmd"], "model/prior=flow needs a term"),
        (["model=vae", "model/prior=flow", "reg.lambda=0"], "model/prior=flow needs a term"),
        (["model/prior=flow", "model/bottleneck=relu"], "needs codes of the kind `real`.*relu has others.*gaussian, vector"),
        (["model/prior=uniform", "model=vae"], "model/prior=uniform needs terms that compare draws.*kl would be infinite"),
        (["model=vae", "model/prior=vamp", "model.arch.norm=batch"], "norm=batch"),
        (["model=vae", "model/prior=vamp", "dataset=text"], "vamp needs samples of numbers.*symbols"),
        (["model=vae", "model/prior=vamp", "dataset=japanese_vowels"], "vamp needs samples.*varying length"),
        (["model=vae", "model/prior=mixture", "reg.terms.kl.free_bits=0.1"], "kl.free_bits needs a divergence of each unit"),
        (["model=vae", "model/prior=mixture", "regularizer=[kl,nested]"], "regularizer=nested needs a divergence of each unit"),
        (["model=vae", "model/prior=mixture", "model.prior.components=0"], "components=0"),
        (["model=vae", "model/prior=mixture", "model.prior.start=fit"], "start=fit.*model.init_from=RUN"),
        (["model=vae", "model/prior=mixture", "model.prior.latent_dim=3"], "model.prior.latent_dim=3.*model.latent_dim"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_makes_no_sense_is_refused_in_words(overrides, words):
    with pytest.raises(AerunError, match=words):
        built(*overrides)


@pytest.mark.parametrize(("prior", "setting"), [("mixture", "components=100"), ("vamp", "inputs=100")])
def test_more_than_there_are_samples_is_refused_before_training(prior, setting):
    plan = built(*SMALL, f"model/prior={prior}", f"model.prior.{setting}")
    with pytest.raises(AerunError, match=f"model.prior.{setting}: more than the 50 training samples"):
        plan.autoencoder.start_from(torch.zeros(50, *plan.facts.shape))


def test_a_prior_is_fitted_to_the_codes_of_a_run(tmp_path):
    """VaDE's start: one component for each cluster of the codes."""
    tiny = ["trainer.max_epochs=2", "pictures=[]", "trainer.progress=false"]
    assert here(tmp_path, *SMALL, *tiny, "hydra.run.dir=before").code == 0
    told = here(
        tmp_path, *SMALL, *tiny, "model/prior=mixture", "model.prior.start=fit", "model.init_from=before", "hydra.run.dir=after"
    )
    assert told.code == 0, told
    assert "codes/kl" in (tmp_path / "after" / "results.json").read_text()
    assert here(tmp_path, "generate", "after", "--count", "3", "--output", "new.npz").code == 0
