"""Codes that follow a prior, units that are independent, and the importance-weighted bound: against what is known exactly."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal
from torch.nn.functional import logsigmoid

from aerun.core.errors import AerunError
from aerun.evaluate.likelihood import log_likelihood
from aerun.regularizer.adversarial import Adversarial
from aerun.regularizer.discrepancy import SCALES, mean_squared_distance, mmd2
from aerun.regularizer.factor import Factor, halves, shuffled
from aerun.regularizer.iwae import Iwae
from aerun.regularizer.mmd import Mmd
from aerun.regularizer.tc import Tc, gaussian_tc, minibatch_tc, shares
from tests.conftest import built

pytestmark = pytest.mark.usefixtures("double")

SMALL = {"hidden": [32], "lr": 1e-3, "betas": [0.5, 0.999]}


def prior_of(z):
    return Normal(0.0, 1.0, validate_args=False).expand(z.shape)


# -- mmd ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["imq", "gaussian"])
def test_mmd_is_its_formula(kernel):
    """Off-diagonal means within, the full mean across, summed over scales; also for sets of different size."""
    torch.manual_seed(0)
    a, b, c = torch.randn(5, 3), torch.randn(7, 3) + 1, 6.0

    def k(x, y):
        d2 = ((x - y) ** 2).sum()
        return sum(s * c / (s * c + d2) if kernel == "imq" else torch.exp(-d2 / (s * c)) for s in SCALES)

    def within(s):
        return sum(k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j) / (len(s) * (len(s) - 1))

    across = sum(k(x, y) for x in a for y in b) / (len(a) * len(b))
    torch.testing.assert_close(mmd2(a, b, c, kernel, SCALES), within(a) + within(b) - 2 * across)


def test_mmd_is_unbiased():
    """P33: 0 within 3e-3 at n = 2000, and on average at n = 16, where the biased one is not."""
    torch.manual_seed(0)
    assert abs(mmd2(torch.randn(2000, 4), torch.randn(2000, 4), 8.0)) < 3e-3
    draws = torch.stack([mmd2(torch.randn(16, 4), torch.randn(16, 4), 8.0) for _ in range(1000)])
    assert draws.mean().abs() < 4 * draws.std() / math.sqrt(len(draws))
    assert draws.std() / math.sqrt(len(draws)) < 0.015  # the biased one is 0.4 up


def test_mmd_tells_laws_apart_and_pulls_codes_to_the_prior():
    torch.manual_seed(0)
    z = (0.5 * torch.randn(500, 3) + 2).requires_grad_()
    value = Mmd(kernel="imq", scales=SCALES)(z, prior_of(z))
    assert value > 0.3
    (slope,) = torch.autograd.grad(value, z)
    assert (slope.mean(0) > 0).all()  # to descend it is to lower the mean
    assert ((slope - slope.mean(0)) * (z - z.mean(0))).sum() < 0  # and to widen the set


def test_mmd_scale_is_the_mean_squared_distance_of_prior_samples():
    """C = 2 k sigma_p^2, over all numbers of a spatial code."""
    prior = Normal(torch.zeros(4000, 3, 2), 0.7)
    a, b = prior.sample().flatten(1), prior.sample().flatten(1)
    torch.testing.assert_close(mean_squared_distance(prior), torch.tensor(2 * 6 * 0.49))
    assert (a - b).square().sum(1).mean().item() == pytest.approx(mean_squared_distance(prior).item(), rel=0.05)


def test_mmd_reads_spatial_codes_whole():
    z, p = torch.randn(6, 2, 3, 3), torch.randn(6, 2, 3, 3)
    torch.testing.assert_close(mmd2(z, p, 36.0), mmd2(z.flatten(1), p.flatten(1), 36.0))


def test_mmd_of_half_precision_codes_is_taken_in_single():
    z, p = torch.randn(200, 4).bfloat16(), torch.randn(200, 4).bfloat16()
    assert mmd2(z, p, 8.0).dtype == torch.float32
    assert mmd2(z, p, 8.0).item() == pytest.approx(mmd2(z.double(), p.double(), 8.0).item(), abs=1e-5)


# -- adversarial -------------------------------------------------------------------------------------------------------


def trained(opponent, batches, steps=300, lr=3e-3):
    """An opponent after so many steps on the passes that `batches()` yields."""
    descent = torch.optim.Adam(opponent.opponent.parameters(), lr)
    for _ in range(steps):
        loss = opponent.oppose(**batches())
        descent.zero_grad()
        loss.backward()
        descent.step()
    return opponent


def test_the_encoders_side_is_non_saturating_and_leaves_the_opponent_alone():
    torch.manual_seed(0)
    term = Adversarial(latent_dim=3, **SMALL)
    z = torch.randn(6, 3, requires_grad=True)
    value = term(z, prior_of(z))
    torch.testing.assert_close(value, -logsigmoid(term.opponent(z)))
    value.sum().backward()
    assert z.grad.abs().max() > 0
    assert all(p.grad is None for p in term.parameters())


def test_prior_samples_are_the_real_ones():
    """Swapped labels would train the opposite."""
    torch.manual_seed(0)
    term = Adversarial(latent_dim=2, **SMALL)
    z, p = torch.randn(4000, 2) + 4, torch.randn(4000, 2)
    batch = {"z": z[:128], "prior": prior_of(z[:128])}
    torch.manual_seed(1)
    found = term.oppose(**batch)
    torch.manual_seed(1)
    real, fake = term.opponent(batch["prior"].sample()), term.opponent(z[:128])
    torch.testing.assert_close(found, -(logsigmoid(real).mean() + logsigmoid(-fake).mean()))
    term = trained(term, lambda: batch)
    figures = term.watch(z, prior_of(z))
    assert (term.opponent(p) > 0).double().mean() > 0.95
    assert (term.opponent(z) < 0).double().mean() > 0.95
    assert figures["accuracy"] > 0.95
    assert figures["real"] > 0.9 > 0.1 > figures["fake"]
    assert figures["mmd"] > 0.5
    # The encoder's term pulls such codes back to the prior.
    z = z[:50].clone().requires_grad_()
    (slope,) = torch.autograd.grad(term(z, prior_of(z)).sum(), z)
    assert (slope.mean(0) > 0).all()


def test_codes_that_match_are_not_told_apart():
    torch.manual_seed(0)
    term = trained(
        Adversarial(latent_dim=2, **SMALL), lambda: {"z": torch.randn(128, 2), "prior": prior_of(torch.empty(128, 2))}
    )
    figures = term.watch(torch.randn(5000, 2), prior_of(torch.empty(5000, 2)))
    assert 0.45 < figures["accuracy"] < 0.55
    assert figures["mmd"].abs() < 0.02


# -- total correlation -------------------------------------------------------------------------------------------------


def correlated(n, d=2, r=0.8, s=0.1):
    """Posterior means whose codes with noise s follow N(0, S), S_jj = 1, S_jk = r; and the TC of that, exactly."""
    cov = torch.full((d, d), r) + (1 - r) * torch.eye(d)
    mu = torch.randn(n, d) @ torch.linalg.cholesky(cov - s**2 * torch.eye(d)).t()
    return mu, -0.5 * torch.logdet(cov).item()


def test_gaussian_tc_is_its_closed_form():
    """P37: -1/2 log det of the correlations; blind to scale and place; 0.511 at r = 0.8."""
    torch.manual_seed(0)
    z = torch.randn(5000, 4) @ torch.randn(4, 4)
    torch.testing.assert_close(gaussian_tc(z), -0.5 * torch.logdet(torch.corrcoef(z.t())))
    torch.testing.assert_close(gaussian_tc(z), gaussian_tc(z * torch.tensor([1.0, 10, 0.1, 5]) - 3))
    mu, exact = correlated(200_000)
    assert exact == pytest.approx(0.511, abs=1e-3)
    assert gaussian_tc(mu + 0.1 * torch.randn_like(mu)).item() == pytest.approx(exact, abs=0.01)


def test_gaussian_tc_is_finite_for_dead_and_copied_units_and_tiny_batches():
    z = torch.randn(100, 3)
    assert gaussian_tc(torch.cat([z, torch.ones(100, 1)], 1)).item() == pytest.approx(gaussian_tc(z).item())
    assert 3 < gaussian_tc(torch.cat([z, z[:, :1]], 1)) < 10
    assert gaussian_tc(torch.randn(2, 8)).isfinite()


def test_weights_of_the_stratified_estimate():
    """A sample's own posterior counts 1 / N, and all of them count 1."""
    w = shares(5, 40)
    torch.testing.assert_close(w.diagonal(), torch.full((5,), 1 / 40))
    torch.testing.assert_close(w.sum(1), torch.ones(5))
    torch.testing.assert_close(shares(5, 5), torch.full((5, 5), 0.2))
    torch.testing.assert_close(shares(5, None), torch.full((5, 5), 0.2))
    assert shares(3, math.inf).diagonal().sum() == 0


def test_estimate_of_the_whole_data_set_is_the_aggregate_posterior():
    """With B = N the density is no estimate: the mixture of all posteriors."""
    torch.manual_seed(0)
    mu, s = torch.randn(30, 3), torch.rand(30, 3) + 0.2
    z = Normal(mu, s).sample()

    def mixture(j):
        return MixtureSameFamily(Categorical(torch.ones(30)), Normal(mu[:, j], s[:, j]))

    joint = torch.stack([Normal(mu, s).log_prob(one).sum(1).logsumexp(0) - math.log(30) for one in z])
    units = sum(mixture(j).log_prob(z[:, j]) for j in range(3))
    torch.testing.assert_close(minibatch_tc(z, Normal(mu, s), 30), (joint - units).mean())


def test_stratified_estimate_needs_large_batches_and_gaussian_figure_does_not():
    """P37: at B = 4000 within 0.15 of the truth; at B = 64 mss and mws are off, the reported figure is not."""
    torch.set_default_dtype(torch.float32)  # (B, B, d) in memory
    torch.manual_seed(0)
    mu, exact = correlated(20_000)
    assert minibatch_tc((q := Normal(mu[:4000], 0.1)).sample(), q, len(mu)).item() == pytest.approx(exact, abs=0.15)
    found = {"mss": 0.0, "mws": 0.0, "gaussian": 0.0}
    for batch in mu[:3200].split(64):
        z = (q := Normal(batch, 0.1)).sample()
        found["mss"] += minibatch_tc(z, q, len(mu)).item() / 50
        found["mws"] += minibatch_tc(z, q, None).item() / 50
        found["gaussian"] += Tc(method="mss")(z, q).item() / 50
    assert found["mss"] < exact - 0.3
    assert found["mws"] > exact + 0.3
    assert found["gaussian"] == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("method", ["mss", "mws"])
def test_tc_reports_the_gaussian_figure_and_descends_the_estimate(method):
    torch.manual_seed(0)
    mu = correlated(40)[0].requires_grad_()
    z = mu + 0.1 * torch.randn(40, 2)
    term = Tc(method=method)
    term.setup(1000)
    value = term(z, Normal(mu, 0.1))
    torch.testing.assert_close(value, gaussian_tc(z))
    torch.testing.assert_close(term.watch(z)["gaussian"], gaussian_tc(z))
    estimate = minibatch_tc(z, Normal(mu, 0.1), 1000 if method == "mss" else None)
    ours, theirs = (torch.autograd.grad(v, mu, retain_graph=True)[0] for v in (value, estimate))
    torch.testing.assert_close(ours, theirs)
    assert ours.abs().max() > 0


def test_tc_gradient_is_that_of_the_total_correlation():
    """d TC / dr = r / (1 - r^2) at codes N(0, [[1, r], [r, 1]]), from the mean gradient of batches."""
    torch.manual_seed(0)
    r, s = torch.tensor(0.6, requires_grad=True), 0.3
    cov = torch.eye(2) * (1 - r) + r - s**2 * torch.eye(2)
    mu = torch.randn(20 * 512, 2) @ torch.linalg.cholesky(cov).t()
    term = Tc(method="mss")
    term.setup(10**6)
    values = [term(m + s * torch.randn_like(m), Normal(m, s)) for m in mu.split(512)]
    (slope,) = torch.autograd.grad(sum(values) / len(values), r)
    assert slope.item() == pytest.approx(0.6 / (1 - 0.36), rel=0.15)


def test_tc_reads_each_place_of_a_spatial_code():
    torch.manual_seed(0)
    mu = torch.randn(10, 2, 3)
    z = mu + 0.1 * torch.randn(10, 2, 3)
    flat = minibatch_tc(z.flatten(1), Normal(mu.flatten(1), 0.1), 50)
    torch.testing.assert_close(minibatch_tc(z, Normal(mu, 0.1), 50), flat)


def test_shuffling_keeps_every_marginal_and_kills_the_joint():
    """P37: each unit in an order of its own."""
    torch.manual_seed(0)
    z = correlated(2000, d=3, r=0.9)[0]
    found = shuffled(z)
    torch.testing.assert_close(found.sort(0)[0], z.sort(0)[0])
    assert gaussian_tc(z) > 1
    assert gaussian_tc(found) < 0.01
    real, fake = halves(z)
    assert torch.equal(real, z[::2])
    torch.testing.assert_close(fake.sort(0)[0], z[1::2].sort(0)[0])


def test_the_opponents_logit_estimates_the_total_correlation():
    """Density ratio: E[D(z)] -> TC; 0 and accuracy 0.5 for independent units."""
    torch.manual_seed(0)
    mu, exact = correlated(50_000)
    for z, truth in ((mu, exact), (shuffled(mu), 0.0)):
        draw = lambda z=z: {"z": z[torch.randint(len(z), (512,))]}  # noqa: E731
        term = trained(Factor(latent_dim=2, **SMALL), draw, steps=400)
        assert term(z).mean().item() == pytest.approx(truth, abs=0.1)
        figures = term.watch(z)
        assert figures["gaussian"].item() == pytest.approx(truth, abs=0.03)
        assert (figures["accuracy"] > 0.6) == (truth > 0)


def test_factor_reaches_the_encoder_and_not_its_opponent():
    torch.manual_seed(0)
    term = Factor(latent_dim=3, **SMALL)
    z = torch.randn(6, 3, requires_grad=True)
    torch.testing.assert_close(term(z), term.opponent(z))
    term(z).sum().backward()
    assert z.grad.abs().max() > 0
    assert all(p.grad is None for p in term.parameters())


# -- iwae --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def linear_gaussian(double):
    """x = W z + b + noise of variance 1/2, z in 2 dimensions; the encoder is near the exact posterior. Model, x, log p(x).

    mse is the negative log-likelihood of that variance without its constant D / 2 log pi, which is left out here too.
    """
    torch.manual_seed(0)
    parts = ["model/arch=linear", "model/bottleneck=gaussian", "model/loss=mse", "regularizer=iwae", "model.latent_dim=2"]
    model = built(*parts).autoencoder.double()
    out, back = model.arch.decoder[-2], model.arch.encoder[-1]
    w = torch.linalg.qr(torch.randn(64, 2))[0] * torch.tensor([1.5, 0.7])
    b = torch.rand(64)
    variance = 1 / (1 + 2 * w.square().sum(0))  # W^T W is diagonal, and so is the exact posterior
    with torch.no_grad():
        out.weight.copy_(w)
        out.bias.copy_(b)
        gain = variance[:, None] * 2 * w.t()
        back.weight.copy_(torch.cat([gain, torch.zeros(2, 64)]))
        back.bias.copy_(torch.cat([-gain @ b + 0.4 * variance.sqrt(), (1.5 * variance).log()]))
    x = (torch.randn(3000, 2) @ w.t() + b + math.sqrt(0.5) * torch.randn(3000, 64)).reshape(-1, 1, 8, 8)
    exact = MultivariateNormal(b, w @ w.t() + torch.eye(64) / 2).log_prob(x.flatten(1)) + 32 * math.log(math.pi)
    return model, x, exact


def test_the_bound_rises_with_every_code_and_never_exceeds_the_likelihood(linear_gaussian):
    """P27: the objective at lambda 1 is -L_K; L_1 < L_2 < ... -> log p(x), never above it by more than 3 se."""
    model, x, exact = linear_gaussian
    gaps = []
    with torch.no_grad():
        for k in (1, 2, 5, 10, 50):
            model.terms["iwae"].regularizer.samples = k
            names = model.objective_pass(x)
            term = model.terms["iwae"].regularizer(*(names[n] for n in ("z", "posterior", "prior", "reconstruction", "judge")))
            gap = -(names["reconstruction"] + term) - exact
            assert gap.mean() < 3 * gap.std() / math.sqrt(len(gap))
            gaps.append(gap.mean().item())
    assert gaps == sorted(gaps)
    assert gaps[0] < -0.15
    assert gaps[-1] > -0.02


def test_all_codes_of_a_pass_are_judged_by_one_learned_variance(double):
    """sigma-VAE: the s^2 of the pass's own codes weighs the others too, and the running average moves once."""
    model = built(
        "model=iwae", "model/loss=gaussian", "model.loss.variance=learned", "reg.terms.iwae.samples=5"
    ).autoencoder.double()
    x, start = torch.rand(16, 1, 8, 8), model.loss.variance.clone()
    names = model.train().objective_pass(x, progress=0.5)
    own = (names["raw"] - x).square().mean().detach()
    torch.testing.assert_close(model.loss.variance, start.lerp(own, 0.1))
    z = torch.randn(3 * 16, names["z"].shape[1])
    error = (model.arch.decode(z) - x.repeat(3, 1, 1, 1)).square().flatten(1).sum(1)
    expected = (error / (2 * own) + 32 * (2 * math.pi * own).log()).reshape(3, 16)
    torch.testing.assert_close(names["judge"](z), expected)
    torch.testing.assert_close(model.loss.variance, start.lerp(own, 0.1))
    assert model.loss.training


def test_the_objective_is_the_bound_by_hand(linear_gaussian):
    """One of the K codes is the pass's own, the others are drawn and judged sample by sample."""
    model, x, _ = linear_gaussian
    torch.manual_seed(5)
    value = model.objective(x[:4], None)
    torch.manual_seed(5)
    names = model.objective_pass(x[:4])
    z = torch.cat([names["z"][None], names["posterior"].rsample((4,))])
    log_w = (
        Normal(0.0, 1.0).log_prob(z).sum(2)
        - names["posterior"].log_prob(z).sum(2)
        - torch.stack([(model.decode(one) - x[:4]).square().flatten(1).sum(1) for one in z])
    )
    bound = log_w.exp().mean(0).log().mean()
    torch.testing.assert_close(value.loss, -bound)
    for ours, theirs in zip(*(torch.autograd.grad(v, list(model.parameters())) for v in (value.loss, -bound)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_one_code_is_the_elbo_with_a_sampled_kl(linear_gaussian):
    model, x, _ = linear_gaussian
    names = model.objective_pass(x)
    found = Iwae(samples=1, groups=1, elbo=0.0, encoder="same")(
        *(names[n] for n in ("z", "posterior", "prior", "reconstruction", "judge"))
    )
    torch.testing.assert_close(found, (names["posterior"].log_prob(names["z"]) - names["prior"].log_prob(names["z"])).sum(1))


def test_every_code_of_the_bound_teaches_encoder_and_decoder(linear_gaussian):
    model, x, _ = linear_gaussian
    for k in (1, 5):
        model.zero_grad()
        model.terms["iwae"].regularizer.samples = k
        model.objective(x[:50], 1.0).loss.backward()
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_likelihood_by_importance_sampling_is_the_exact_one(linear_gaussian):
    """P27, for evaluation: many codes, a part of them at a time, from clean input and in eval mode."""
    model, x, exact = linear_gaussian
    torch.manual_seed(1)
    model.train()
    found = log_likelihood(model, x[:200], 2000)
    assert found.dtype == torch.float64
    assert found.shape == (200,)
    assert model.training
    assert (found - exact[:200]).mean().item() == pytest.approx(0, abs=0.01)
    assert (found - exact[:200]).abs().max() < 0.2
    few = log_likelihood(model, x, 1) - exact
    assert few.mean() < -0.15


def test_likelihood_counts_every_code_whatever_the_parts(linear_gaussian, monkeypatch):
    model, x, exact = linear_gaussian
    sizes = []
    for rows in (7, 100_000):
        monkeypatch.setattr("aerun.evaluate.likelihood.rows_that_fit", lambda size, rows=rows: rows)
        torch.manual_seed(2)
        sizes.append((log_likelihood(model, x[:3], 401) - exact[:3]).abs().max())
    assert max(sizes) < 0.2


def test_likelihood_of_a_sample_without_a_real_step_is_one(linear_gaussian):
    model, x, _ = linear_gaussian
    with torch.no_grad():
        model.arch.encoder[-1].weight.zero_()  # the posterior is the prior
        model.arch.encoder[-1].bias.zero_()
    found = log_likelihood(model, x[:2], 50, torch.tensor([[True], [False]]))
    assert found[0] < -5
    assert found[1].item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("overrides", "samples", "words"),
    [
        (["model=vae"], 0, "samples=0"),
        (["model=ae"], 5, "posterior.*gaussian"),
        (["model=vae", "model.loss.reduction=mean"], 5, "reduction=sum"),
    ],
)
def test_likelihood_refuses_what_has_none(overrides, samples, words):
    plan = built(*overrides)
    with pytest.raises(AerunError, match=words):
        log_likelihood(plan.autoencoder, torch.rand(2, *plan.facts.shape), samples)


# -- what is refused, and the prior of a plain code --------------------------------------------------------------------


def test_a_plain_code_has_the_normal_prior():
    plan = built("model.latent_dim=3")
    prior = plan.autoencoder.prior(torch.randn(5, 3))
    assert prior.batch_shape == (5, 3)
    assert torch.equal(prior.mean, torch.zeros(5, 3))
    assert torch.equal(prior.stddev, torch.ones(5, 3))
    assert prior.sample().std(0).min() > 0  # every sample its own draw
    assert plan.autoencoder.prior(torch.randn(2, 3).bfloat16()).mean.dtype == torch.float32


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["regularizer=mmd", "model/bottleneck=relu"], "`prior`.*relu does not give.*gaussian.*vector"),
        (["regularizer=adversarial", "model/bottleneck=sigmoid"], "`prior`.*sigmoid does not give.*gaussian.*vector"),
        (["regularizer=tc"], "`factors`.*gaussian"),
        (["regularizer=iwae"], "`posterior`.*gaussian"),
        (["regularizer=mmd", "reg.terms.mmd.kernel=rbf"], "mmd.kernel=rbf.*imq, gaussian"),
        (["regularizer=mmd", "reg.terms.mmd.scales=[]"], r"mmd.scales=\[\]"),
        (["regularizer=mmd", "reg.terms.mmd.scales=[1,-1]"], r"mmd.scales=\[1, -1\].*positive"),
        (["regularizer=adversarial", "reg.terms.adversarial.hidden=[0]"], "adversarial.hidden"),
        (["regularizer=adversarial", "reg.terms.adversarial.lr=0"], "adversarial.lr=0.*positive"),
        (["regularizer=adversarial", "reg.terms.adversarial.betas=[0.5]"], "adversarial.betas.*two numbers"),
        (["regularizer=adversarial", "reg.terms.adversarial.betas=[0.5,1]"], "adversarial.betas.*below 1"),
        (["regularizer=adversarial", "reg.terms.adversarial.latent_dim=3"], "needs codes of 3 numbers.*8"),
        (["regularizer=factor", "reg.terms.factor.lr=-1"], "factor.lr=-1.*positive"),
        (["regularizer=factor", "trainer.batch_size=1"], "batch_size=1"),
        (["regularizer=mmd", "trainer.batch_size=1"], "batch_size=1"),
        (["model=vae", "regularizer=tc", "reg.terms.tc.method=density"], "tc.method=density.*mss, mws"),
        (["model=vae", "regularizer=iwae", "reg.terms.iwae.samples=0"], "iwae.samples=0.*at least 1"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_makes_no_sense_is_refused_in_words(overrides, words):
    with pytest.raises(AerunError, match=words):
        built(*overrides)


@pytest.mark.parametrize("term", [Adversarial, Factor])
def test_opponents_refuse_spatial_codes_in_words(term):
    opponent = term(latent_dim=4, **SMALL)
    z = torch.randn(5, 4, 2, 2)
    names = {"z": z, "prior": prior_of(z)} if term is Adversarial else {"z": z}
    with pytest.raises(AerunError, match=r"needs codes of 4 numbers each.*\(4, 2, 2\)"):
        opponent(**names)
