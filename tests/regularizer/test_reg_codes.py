"""Penalties on codes: values, gradients, what they are blind to, and what they find."""

import itertools

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.func import jacrev, vmap

from aerun.compose import options
from aerun.core.errors import AerunError
from aerun.regularizer.contractive import Contractive
from aerun.regularizer.contrast import Contrast
from aerun.regularizer.decorrelation import Decorrelation
from aerun.regularizer.hsic import Hsic
from aerun.regularizer.kl import Kl
from aerun.regularizer.l2 import L2
from aerun.vocabulary import call
from tests.conftest import built, descend

pytestmark = pytest.mark.usefixtures("double")


def gradient(value, at):
    (found,) = torch.autograd.grad(value.sum(), at)
    return found


# -- l2 ------------------------------------------------------------------------------------------------------------------


def test_l2_is_the_squared_length_of_each_code():
    z, grid = torch.randn(6, 5, requires_grad=True), torch.randn(6, 5, 3, 2)
    torch.testing.assert_close(L2()(z), z.norm(dim=1) ** 2)
    torch.testing.assert_close(gradient(L2()(z), z), 2 * z)
    torch.testing.assert_close(L2()(grid), grid.reshape(6, -1).norm(dim=1) ** 2)
    assert L2.shrinks_code
    assert L2()(torch.full((1, 2), 300, dtype=torch.float16)).item() == 180_000


# -- decorrelation -------------------------------------------------------------------------------------------------------


def test_decorrelation_is_the_sum_of_squared_correlations():
    z = torch.randn(40, 4) @ torch.randn(4, 4) + 5
    off = 1 - torch.eye(4)
    expected = (torch.corrcoef(z.t()) * off).square().sum()
    torch.testing.assert_close(Decorrelation(normalize=True)(z), expected)
    covariance = (torch.cov(z.t(), correction=0) * off).square().sum()
    torch.testing.assert_close(Decorrelation(normalize=False)(z), covariance)


def test_decorrelation_cannot_be_met_by_a_small_code():
    """P35: the correlation is blind to each unit's scale, in value and in gradient; the covariance is not, and says so."""
    z = torch.randn(30, 4) @ torch.randn(4, 4)
    scale = torch.tensor([1e-6, 0.1, 3.0, 1e4])
    safe, fooled = Decorrelation(normalize=True), Decorrelation(normalize=False)
    torch.testing.assert_close(safe(z * scale + 7 * scale), safe(z))
    assert fooled(z * 0.1) < 1e-3 * fooled(z)
    assert (safe.shrinks_code, fooled.shrinks_code) == (False, True)
    z.requires_grad_()
    assert (gradient(safe(z), z) * z).sum(0).abs().max() < 1e-12


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_unit_is_finite_and_adds_nothing(constant, dtype):
    """Also where rounding makes its mean differ from it."""
    z = torch.randn(101, 4, dtype=dtype)
    dead = z.clone()
    dead[:, 2] = constant
    dead.requires_grad_()
    for regularizer in (Decorrelation(normalize=True), Decorrelation(normalize=False), Hsic(rows=256)):
        value = regularizer(dead)
        torch.testing.assert_close(value, regularizer(z[:, [0, 1, 3]]), rtol=1e-3, atol=1e-5)
        slope = gradient(value, dead)
        assert slope.isfinite().all()
        if not isinstance(regularizer, Decorrelation) or regularizer.normalize:
            assert (slope[:, 2] == 0).all()
            assert slope[:, 0].abs().max() > 0


@pytest.mark.parametrize("regularizer", [Decorrelation(normalize=True), Hsic(rows=10_000)])
def test_places_of_a_grid_count_as_samples(regularizer):
    z = torch.randn(5, 3, 4, 2)
    rows = torch.stack([z[i, :, a, b] for i, a, b in itertools.product(range(5), range(4), range(2))])
    torch.testing.assert_close(regularizer(z), regularizer(rows))


def test_decorrelation_is_not_lost_to_autocast():
    z = torch.linalg.qr(torch.randn(200, 5) - 0)[0]
    z = torch.linalg.qr(z - z.mean(0))[0].float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Decorrelation(normalize=True)(z) < 1e-10


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_orthonormal_atoms_and_decorrelation_find_the_principal_components(lam):
    """P02: every column |cos| > .99 with a PC of its own; without the penalty some column is below .9."""
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(4)
    basis = torch.linalg.qr(torch.randn(64, 64, generator=g))[0]
    x = torch.randn(1000, 64, generator=g) * torch.tensor([4.0, 2.0, 1.0, 0.5, *[0.02] * 60]).sqrt() @ basis.t()
    x = x - x.mean(0)
    pcs = torch.linalg.eigh(x.t() @ x)[1].flip(1)[:, :4]
    plan = built(
        "model=linear", "model.latent_dim=4", "model.arch.atoms=orthogonal", "regularizer=decorrelation", f"reg.lambda={lam}"
    )
    model = plan.autoencoder.double()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for step in range(500):
        optimizer.param_groups[0]["lr"] = 0.02 * min(1, 2 * (1 - step / 500))
        optimizer.zero_grad()
        model.objective(x.reshape(-1, 1, 8, 8), 1.0).loss.backward()
        optimizer.step()
    cosines = (model.arch.decoder_weights()[0].detach().t() @ pcs).abs()
    best = cosines.max(1)
    if lam:
        assert best.values.min() > 0.99
        assert set(best.indices.tolist()) == {0, 1, 2, 3}
    else:
        assert best.values.min() < 0.9


# -- hsic ----------------------------------------------------------------------------------------------------------------


def trace_formula(x, y):
    """HSIC of two samples (N,) as it is written: tr(K H L H) / (N - 1)^2."""
    n = len(x)
    h = torch.eye(n) - 1 / n

    def kernel(v):
        d = (v[:, None] - v[None, :]) ** 2
        return torch.exp(-d / d[d > 0].median())

    return torch.trace(kernel(x) @ h @ kernel(y) @ h) / (n - 1) ** 2


def circle(n, seed):
    angle = torch.rand(n, generator=torch.Generator().manual_seed(seed)) * 2 * torch.pi
    return torch.stack([angle.cos(), angle.sin()], 1)


def permutation_95(z, seed):
    """95 % quantile of HSIC when the second unit's samples are permuted."""
    g = torch.Generator().manual_seed(seed)
    found = [Hsic(rows=1000)(torch.stack([z[:, 0], z[torch.randperm(len(z), generator=g), 1]], 1)) for _ in range(100)]
    return torch.stack(found).quantile(0.95)


def test_hsic_is_the_trace_formula_summed_over_pairs():
    """P36. A sparse unit, mostly exactly 0, too."""
    z = torch.randn(60, 4) @ torch.randn(4, 4)
    z[:, 3] = torch.relu(z[:, 3] - z[:, 3].quantile(0.8))
    pairs = sum(trace_formula(z[:, a], z[:, b]) for a, b in itertools.combinations(range(4), 2))
    torch.testing.assert_close(Hsic(rows=60)(z), pairs)
    torch.testing.assert_close(Hsic(rows=60)(z.float()).double(), pairs, rtol=1e-4, atol=1e-6)


def test_hsic_sees_dependence_that_correlation_does_not():
    """P36: a circle is above 5 times the permutations' 95 % quantile, independent units are below it."""
    z = circle(300, 0)
    assert torch.corrcoef(z.t())[0, 1].abs() < 0.1
    assert Hsic(rows=300)(z) > 5 * permutation_95(z, 1)
    independent = torch.stack([z[:, 0], circle(300, 5)[:, 1]], 1)
    assert Hsic(rows=300)(independent) < permutation_95(independent, 1)


def test_hsic_is_blind_to_scale_and_its_gradient_never_asks_for_a_smaller_code():
    z = (torch.randn(50, 3) @ torch.randn(3, 3)).requires_grad_()
    torch.testing.assert_close(Hsic(rows=50)(z * torch.tensor([1e-5, 1.0, 1e5]) + 3), Hsic(rows=50)(z))
    slope = gradient(Hsic(rows=50)(z), z)
    assert slope.abs().max() > 1e-6
    assert (slope * z).sum(0).abs().max() < 1e-12
    assert not Hsic.shrinks_code


def test_descending_hsic_makes_dependent_units_independent():
    """Two units of a rotated square: the gradient turns them back to the axes."""
    torch.manual_seed(0)
    sources = torch.rand(250, 2) - 0.5
    angle = torch.tensor(0.6).requires_grad_()
    optimizer = torch.optim.Adam([angle], 0.05)
    for _ in range(80):
        turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()]).reshape(2, 2)
        optimizer.zero_grad()
        Hsic(rows=250)(sources @ turn).backward()
        optimizer.step()
    assert angle.item() % (torch.pi / 2) == pytest.approx(0, abs=0.1) or angle.item() == pytest.approx(0, abs=0.1)


def test_hsic_compares_at_most_so_many_rows():
    """A draw without replacement: of two different rows it always finds both."""
    z = torch.randn(4, 2, 20, 20)
    torch.manual_seed(0)
    first, second = Hsic(rows=50)(z), Hsic(rows=50)(z)
    assert first != second
    assert Hsic(rows=1600)(z) == Hsic(rows=1600)(z)
    assert all(Hsic(rows=3)(torch.tensor([[0.0, 0], [0, 0], [1, 1], [1, 1]])) > 0 for _ in range(20))
    with pytest.raises(AerunError, match=r"reg.terms.hsic.rows=1"):
        Hsic(rows=1)


# -- contrast ------------------------------------------------------------------------------------------------------------

SLOPE = {"logcosh": torch.tanh, "l1smooth": lambda z: z / (z**2 + 0.01).sqrt()}


@pytest.mark.parametrize("g", SLOPE)
def test_contrast_has_its_value_and_gradient_at_every_size(g):
    z = torch.linspace(-4, 4, 41).reshape(1, -1).requires_grad_()
    value = Contrast(g=g)
    torch.testing.assert_close(gradient(value(z), z), SLOPE[g](z.detach()))
    assert value(torch.zeros(3, 2)).abs().max() < 1e-12
    if g == "logcosh":
        torch.testing.assert_close(value(z), torch.cosh(z).log().sum(1))
    for dtype in (torch.float32, torch.float16):
        big = torch.tensor([[3e4, -3e4]], dtype=dtype, requires_grad=True)
        found = value(big)
        assert found.item() == pytest.approx(6e4, rel=1e-3)
        torch.testing.assert_close(gradient(found, big), torch.tensor([[1.0, -1.0]], dtype=dtype))
    torch.testing.assert_close(value(torch.ones(2, 3, 4)), 12 * value(torch.ones(2, 1)))
    assert Contrast.shrinks_code


def test_contrast_refuses_another_function():
    with pytest.raises(AerunError, match=r"reg.terms.contrast.g=cosh.*logcosh"):
        Contrast(g="cosh")


def amari(p):
    """Distance of a matrix from a scaled permutation, 0 to 1."""
    p, n = p.abs(), len(p)
    rows, columns = (p / p.amax(1, keepdim=True)).sum(1) - 1, (p / p.amax(0)).sum(0) - 1
    return ((rows.sum() + columns.sum()) / (2 * n * (n - 1))).item()


@pytest.mark.parametrize("g", SLOPE)
def test_reconstruction_ica_unmixes_heavy_tailed_sources(g):
    """P34: Amari index < .05 and < a fifth of whitening's, on 6 mixed Laplace sources, whitened, in 64 dimensions."""
    torch.manual_seed(0)
    sources = torch.distributions.Laplace(0.0, 1.0).sample((3000, 6))
    mixing = torch.randn(6, 6)
    x = sources @ mixing.t()
    values, vectors = torch.linalg.eigh(torch.cov(x.t()))
    whiten = (vectors / values.sqrt()).t()
    embed = torch.linalg.qr(torch.randn(64, 6))[0]
    white = (((x - x.mean(0)) @ whiten.t()) @ embed.t()).reshape(-1, 1, 8, 8)
    plan = built(
        "model=linear",
        "model.latent_dim=6",
        "model.arch.tied=true",
        "model.arch.atoms=orthogonal",
        "regularizer=contrast",
        f"reg.terms.contrast.g={g}",
        "reg.lambda=0.3",
    )
    model = plan.autoencoder.double()
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for step in range(250):
        optimizer.param_groups[0]["lr"] = 0.03 * min(1, 2 * (1 - step / 250))
        optimizer.zero_grad()
        model.objective(white, 1.0).loss.backward()
        optimizer.step()
    found = amari(model.arch.encoder_weights()[0].detach() @ embed @ whiten @ mixing)
    assert found < 0.05
    assert found < amari(whiten @ mixing) / 5


# -- kl ------------------------------------------------------------------------------------------------------------------


def gaussians(b=6, *shape):
    g = torch.Generator().manual_seed(6)
    mu, scale = torch.randn(b, *shape, generator=g), torch.rand(b, *shape, generator=g) + 0.5
    return Normal(mu, scale), Normal(torch.zeros_like(mu), torch.ones_like(mu))


def test_free_bits_are_a_floor_under_each_units_mean():
    """A unit below the floor costs the floor and is not pulled; the floor is on the batch mean, not on samples."""
    mu = torch.tensor([[0.1, 2.0], [0.2, 0.0]], requires_grad=True)
    q, p = Normal(mu, torch.ones(2, 2)), Normal(torch.zeros(2, 2), torch.ones(2, 2))
    value = Kl(free_bits=0.5, capacity=None)(q, p)
    assert value.item() == pytest.approx(0.5 + 1.0)  # the second unit: mean of 2 and 0, though 0 is below the floor
    torch.testing.assert_close(gradient(value, mu), torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    q, p = gaussians(6, 4, 3, 2)
    by_unit = kl_divergence(q, p).sum((2, 3)).mean(0)
    floor = by_unit.median().item()
    torch.testing.assert_close(Kl(free_bits=floor, capacity=None)(q, p), by_unit.clamp(min=floor).sum())


def test_capacity_holds_the_code_at_a_rising_number_of_nats():
    q, p = gaussians(6, 4)
    total = kl_divergence(q, p).sum(1).mean()
    for progress in (0.0, 0.25, 1.0):
        found = call(Kl(free_bits=0.0, capacity=8.0), {"posterior": q, "prior": p, "progress": progress})
        torch.testing.assert_close(found, (total - 8.0 * progress).abs())
    torch.testing.assert_close(Kl(free_bits=0.0, capacity=8.0)(q, p), (total - 8.0).abs())


def test_kl_is_a_batch_statistic_only_where_a_mean_is_inside():
    assert not Kl(free_bits=0.0, capacity=None).batch_statistic
    assert Kl(free_bits=0.1, capacity=None).batch_statistic
    assert Kl(free_bits=0.0, capacity=3.0).batch_statistic


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"free_bits": -0.1, "capacity": None}, r"reg.terms.kl.free_bits=-0.1"),
        ({"free_bits": 0.0, "capacity": -1.0}, r"reg.terms.kl.capacity=-1"),
        ({"free_bits": 0.5, "capacity": 3.0}, r"reg.terms.kl.capacity=3.*free_bits=0.5.*capacity=null"),
    ],
)
def test_kl_refuses(settings, words):
    with pytest.raises(AerunError, match=words):
        Kl(**settings)


def test_active_units_are_those_whose_mean_varies():
    mu = torch.zeros(50, 4)
    mu[:, 0] = 7.0  # far from the prior, but the same for every sample
    mu[:, 1] = torch.linspace(-1, 1, 50)
    mu[:, 2] = torch.linspace(-0.165, 0.165, 50)  # variance 0.0094
    mu[:, 3] = torch.linspace(-0.18, 0.18, 50)  # variance 0.0112
    found = Kl(free_bits=0.0, capacity=None).watch(Normal(mu, torch.ones_like(mu)))
    assert found["active_units"].item() == 2
    places = mu[:, :, None].expand(50, 4, 3)
    assert Kl(free_bits=0.0, capacity=None).watch(Normal(places, torch.ones_like(places)))["active_units"].item() == 2


def units_kl(digits, *overrides):
    """Mean KL of each unit over the training data after a short training."""
    torch.manual_seed(0)
    plan = built("model=vae", "model.arch.hidden=[32]", "model.latent_dim=6", *overrides)
    model = descend(plan.autoencoder.float(), digits, steps=500, lr=4e-3, batch=256)
    names = model.objective_pass(model.units(digits.train.x).float())
    return kl_divergence(names["posterior"], names["prior"]).mean(0).detach()


@pytest.mark.slow
def test_free_bits_keep_every_unit_in_use(digits):
    """P29: under a strong prior units fall silent; with free bits none falls below its floor."""
    silent = units_kl(digits, "reg.lambda=4")
    kept = units_kl(digits, "reg.lambda=4", "reg.terms.kl.free_bits=0.3")
    assert silent.min() < 0.05
    assert kept.min() > 0.95 * 0.3


def test_capacity_is_reached_in_training(digits):
    total = units_kl(digits, "reg.lambda=50", "reg.terms.kl.capacity=4").sum()
    assert total.item() == pytest.approx(4, abs=0.3)


# -- contractive, higher order -------------------------------------------------------------------------------------------


def jacobians(encode, x):
    return vmap(jacrev(lambda one: encode(one[None])[0].flatten()))(x).flatten(2)


def second_order(model, x, sigma, seed):
    """The oracle: ||J(x) - J(x + eps)||^2 with the noise that a call at this seed draws first."""
    torch.manual_seed(seed)
    near = x + sigma * torch.randn_like(x)
    return (jacobians(model.encode, x) - jacobians(model.encode, near)).square().sum((1, 2))


def contractive(model, x, method, higher_order, probes=1, sigma=0.1):
    regularizer = Contractive(method=method, probes=probes, higher_order=higher_order, sigma=sigma)
    names = model.objective_pass(x)
    return regularizer(x, names["z"], model.encode, model.arch.encoder_weights(), names.get("slope"))


def test_higher_order_is_the_difference_of_two_jacobians():
    """P18 for CAE+H: the exact form against torch.func, and a gradient in the weights."""
    model = built("model.arch.hidden=[12]", "model.arch.activation=tanh", "model.latent_dim=5").autoencoder.double()
    x = torch.rand(6, 1, 8, 8)
    torch.manual_seed(1)
    found = contractive(model, x, "exact", 3.0, sigma=0.2)
    expected = jacobians(model.encode, x).square().sum((1, 2)) + 3.0 * second_order(model, x, 0.2, seed=1)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    first = contractive(model, x, "exact", 0.0)
    assert gradient(found - first, model.arch.encoder_weights()[0]).abs().max() > 0


@pytest.mark.parametrize("method", ["projection", "closed"])
def test_higher_order_by_projection_is_unbiased(method):
    """Both Jacobians are sent the same v: the mean of 400 probes is within 3 % (fresh ones for each would be far above)."""
    model = built("model/arch=linear", "model/bottleneck=sigmoid", "model.latent_dim=5").autoencoder.double()
    x = torch.rand(6, 1, 8, 8)
    torch.manual_seed(2)
    found = contractive(model, x, method, 1e4, probes=400)
    expected = jacobians(model.encode, x).square().sum((1, 2)) + 1e4 * second_order(model, x, 0.1, seed=2)
    torch.testing.assert_close(found.mean(), expected.mean(), rtol=0.03, atol=0)
    assert gradient(found, model.arch.encoder_weights()[0]).abs().max() > 0


def test_higher_order_is_zero_on_a_linear_encoder():
    model = built("model/arch=linear", "model.latent_dim=5").autoencoder.double()
    x = torch.rand(6, 1, 8, 8)
    torch.testing.assert_close(contractive(model, x, "exact", 7.0), contractive(model, x, "closed", 0.0))


@pytest.mark.parametrize("method", ["projection", "exact"])
def test_without_higher_order_nothing_more_is_drawn(method):
    model = built("model.arch.hidden=[12]", "model.latent_dim=5").autoencoder.double()
    torch.manual_seed(3)
    value = contractive(model, torch.ones(4, 1, 8, 8), method, 0.0)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    if method == "projection":
        torch.randint_like(torch.empty(4, 5), 2)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(3)
    assert torch.equal(value, contractive(model, torch.ones(4, 1, 8, 8), method, 0.0, sigma=5.0))


def test_exact_form_reads_a_spatial_code():
    plan = built("model/arch=conv", "model.arch.code=spatial", "model.arch.hidden=[4]", "model.latent_dim=2")
    model = plan.autoencoder.double()
    x = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(contractive(model, x, "exact", 0.0), jacobians(model.encode, x).square().sum((1, 2)))


def test_closed_form_is_not_taken_where_the_matrix_reads_more_than_the_input():
    """An encoder that also sees a mask has twice the columns: only the half that reads x is in the Jacobian."""
    regularizer = Contractive(method="auto", probes=500, higher_order=0.0, sigma=0.1)
    w, x = torch.randn(5, 20), torch.rand(3, 10)
    torch.manual_seed(4)
    found = regularizer(x, x, lambda v: torch.cat([v, torch.ones_like(v)], 1) @ w.t(), [w], torch.ones(3, 5))
    torch.testing.assert_close(found, w[:, :10].square().sum().expand(3), rtol=0.1, atol=0)
    with pytest.raises(AerunError, match="method=closed"):
        Contractive(method="closed", probes=1, higher_order=0.0, sigma=0.1)(x, x, lambda v: v, [w], torch.ones(3, 5))


@pytest.mark.parametrize(("key", "value"), [("higher_order", -1.0), ("sigma", 0.0), ("sigma", -0.1), ("probes", 0)])
def test_contractive_refuses(key, value):
    settings = {"method": "auto", "probes": 1, "higher_order": 1.0, "sigma": 0.1, key: value}
    with pytest.raises(AerunError, match=rf"reg.terms.contractive.{key}={value:g}"):
        Contractive(**settings)


# -- the whole room ------------------------------------------------------------------------------------------------------

# What makes a term speak in a small model, and forms that draw nothing.
SETTINGS = {
    "contractive": ["reg.terms.contractive.method=exact"],
    "iwae": ["reg.terms.iwae.samples=1"],
    "decoder_gradient": ["reg.terms.decoder_gradient.method=exact"],
    "tc": ["reg.terms.tc.method=mws"],
    "l0": ["model/bottleneck=jumprelu", "model.bottleneck.bandwidth=1"],
    "wider": ["model/bottleneck=topk", "model.bottleneck.k=1", "model.bottleneck.wider=2"],
    "revival": ["model/bottleneck=topk", "model.bottleneck.dead_after=1", "model.bottleneck.k=1"],
    "svdd": ["model.arch.bias=false"],
}
VARIANTS = {
    "kl free_bits": ["reg.terms.kl.free_bits=0.01"],
    "kl capacity": ["reg.terms.kl.capacity=3"],
    "decorrelation covariance": ["reg.terms.decorrelation.normalize=false"],
    "l1 plain": ["reg.terms.l1.norm_weighted=false"],
    "contrast l1smooth": ["reg.terms.contrast.g=l1smooth"],
    "rate": [],
    "tc": [],
    "hsic": [],
    "decorrelation": [],
}
# But for batch statistics, of which those of VARIANTS, and for what draws, begins with a run or is told classes.
ROOM = [o for o, c in options("regularizer").items() if not (c.batch_statistic or c.reads_codes or c.infers or c.moves_codes)]
# HSIC is divided by (N - 1)^2, as its authors write it.
GROWTH = {"hsic": lambda b: ((b - 1) / (b - 0.5)) ** 2}


def fitting(name, overrides):
    """A small model that this regularizer fits."""
    refused = []
    chosen = [o for o in overrides if o.startswith("model/bottleneck=")]
    for bottleneck in chosen or [f"model/bottleneck={o}" for o in sorted(options("bottleneck"), key="gaussian".__ne__)]:
        try:
            given = [bottleneck, "model.arch.hidden=[12]", "model.latent_dim=4", f"regularizer={name}"]
            return built(*given, *(o for o in overrides if o not in chosen))
        except AerunError as e:
            refused.append(str(e))
    raise AssertionError(refused)


def twice(v, n):
    """The same batch, every sample two times."""
    if isinstance(v, Normal):
        return Normal(torch.cat([v.mean, v.mean]), torch.cat([v.stddev, v.stddev]))
    return torch.cat([v, v]) if isinstance(v, torch.Tensor) and v.ndim and len(v) == n else v


def behind(name, folder):
    """Vectors, and what stands behind them in a file, for the two that weight errors by it."""
    given = {"downstream": {"0.weight": torch.randn(3, 64)}, "weighted": torch.eye(64)}
    if name not in given:
        return []
    torch.save(given[name], folder / "behind.pt")
    np.save(folder / "x.npy", np.random.default_rng(0).random((40, 64), np.float32))
    data = ["dataset=array", f"dataset.path={folder / 'x.npy'}", "dataset.prepare=norm"]
    return [*data, f"reg.terms.{name}.features={folder / 'behind.pt'}"]


@pytest.mark.parametrize("which", [*ROOM, *VARIANTS])
def test_a_batch_taken_twice_changes_neither_penalty_nor_gradient(which, tmp_path):
    """P06, for every penalty that draws nothing."""
    name, b = which.partition(" ")[0], 9
    torch.manual_seed(0)
    overrides = [*SETTINGS.get(name, []), *VARIANTS.get(which, []), *behind(name, tmp_path)]
    model = fitting(name, overrides).autoencoder.double()
    regularizer, x = model.terms[name].regularizer, torch.rand(b, *model.facts.shape)
    model.objective_pass(x[:1], None, 0.5)  # a unit that this sample does not switch on has been silent
    names = model.objective_pass(x, None, 0.5)
    names["x_in"] = names["x_in"].detach()  # the graph from it to z does not survive being taken twice
    weights = [*model.arch.parameters(), *model.bottleneck.parameters()]
    found = []
    doubled = {k: twice(v, b) for k, v in names.items()}
    model._add_functions(doubled)  # those of the pass judge as many samples as it has
    for given in (names, doubled):
        value = call(regularizer, given).mean()
        grads = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
        found.append((value.detach(), torch.cat([g.flatten() for g in grads if g is not None])))
    growth = GROWTH.get(name, lambda b: 1.0)(b)
    torch.testing.assert_close(found[1][0], growth * found[0][0], rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(found[1][1], growth * found[0][1], rtol=1e-5, atol=1e-10)
    assert found[0][1].abs().max() > 0
