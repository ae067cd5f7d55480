"""Penalties against closed forms, autodiff and independent implementations."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.func import jacrev, vmap

from aerun.core.errors import AerunError
from aerun.regularizer.contractive import Contractive
from aerun.regularizer.kl import Kl
from aerun.regularizer.l1 import L1
from aerun.regularizer.rate import Rate
from tests.conftest import built, descend

pytestmark = pytest.mark.usefixtures("double")


def test_l1_is_the_norm_weighted_sum_and_cannot_be_fooled_by_scale():
    """P10: z -> c z, W -> W / c leaves it as it is; raw L1 is multiplied by c."""
    z, w = torch.randn(7, 5), torch.randn(9, 5)
    weighted, raw = L1(norm_weighted=True), L1(norm_weighted=False)
    torch.testing.assert_close(weighted(z, [w]), (z.abs() * (w**2).sum(0).sqrt()).sum(1))
    torch.testing.assert_close(weighted(3 * z, [w / 3]), weighted(z, [w]))
    torch.testing.assert_close(raw(3 * z, [w / 3]), 3 * raw(z, [w]))
    torch.testing.assert_close(weighted(z, [w / w.norm(dim=0)]), raw(z, [w]))


def test_sparsity_penalty_acts_on_activations_and_weights_only_where_it_says_so():
    """C42: d Omega / d W_dec is 0 for plain L1 and not for the norm-weighted form."""
    z, w = torch.rand(4, 3), torch.randn(6, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(L1(norm_weighted=True)(z, [w]).sum(), w)
    assert slope.abs().max() > 0
    assert not L1(norm_weighted=False)(z, [w]).requires_grad


def test_rate_is_zero_and_minimal_at_its_target():
    """P12: argmin rho, value 0, curvature 1 / (rho (1 - rho)), finite gradient at the ends."""
    rho = 0.2
    rate = torch.tensor([[rho]], requires_grad=True)
    value = Rate(rho=rho)(rate)
    (first,) = torch.autograd.grad(value, rate, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), rate)
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert first.item() == pytest.approx(0, abs=1e-12)
    assert second.item() == pytest.approx(1 / (rho * (1 - rho)))
    assert Rate(rho=rho)(torch.tensor([[0.05]])).item() == pytest.approx(0.1398, abs=1e-4)
    for end in (0.0, 1.0):
        x = torch.full((3, 2), end, requires_grad=True)
        Rate(rho=rho)(x).backward()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize("rho", [0.0, 1.0, -0.1, 2.0])
def test_rate_refuses_a_target_outside_the_open_interval(rho):
    with pytest.raises(AerunError, match="rho"):
        Rate(rho=rho)


@pytest.mark.slow
def test_training_brings_each_unit_to_its_rate(digits):
    """P13: rho_hat_j within 10 % of rho for at least 90 % of the units."""
    torch.manual_seed(0)
    plan = built("model=sparse_kl", "model.latent_dim=64", "reg.lambda=5", "reg.terms.rate.rho=0.1")
    model = descend(plan.autoencoder.float(), digits, steps=2500, lr=1e-2, batch=256)
    rates = model.encode(model.units(digits.train.x).float()).mean(0)
    assert ((rates - 0.1).abs() < 0.01).double().mean() >= 0.9


def test_kl_is_torchs_and_sums_over_units():
    """P25."""
    mu, log_var = torch.randn(6, 4), torch.randn(6, 4)
    q, p = Normal(mu, (log_var / 2).exp()), Normal(torch.zeros(6, 4), torch.ones(6, 4))
    closed = 0.5 * (mu**2 + log_var.exp() - log_var - 1).sum(1)
    torch.testing.assert_close(Kl(free_bits=0.0, capacity=None)(q, p), closed, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(Kl(free_bits=0.0, capacity=None)(q, p), kl_divergence(q, p).sum(1))


def test_kl_of_the_gaussian_bottleneck_reads_log_variance():
    plan = built("model=vae", "model.latent_dim=3")
    h = torch.randn(5, 6)
    out = plan.autoencoder.bottleneck(h)
    torch.testing.assert_close(out["posterior"].mean, h[:, :3])
    torch.testing.assert_close(out["posterior"].variance, h[:, 3:].exp())
    many = torch.stack([plan.autoencoder.bottleneck(h)["z"] for _ in range(4000)])
    assert (many.mean(0) - h[:, :3]).abs().max() < 6 * (h[:, 3:] / 2).exp().max() / math.sqrt(4000)


ACTS = {"sigmoid": torch.sigmoid, "relu": torch.relu, "vector": lambda x: x}


def jacobian_norm(encode, x):
    """The oracle: ||J||_F^2 of each sample by torch.func."""
    rows = vmap(jacrev(lambda one: encode(one[None])[0]))(x)
    return rows.flatten(1).square().sum(1)


@pytest.mark.parametrize("bottleneck", ACTS)
def test_contractive_closed_form_is_the_jacobian(bottleneck):
    """P18: equal to torch.func on one layer, and differentiable in the weights."""
    plan = built("model/arch=linear", f"model/bottleneck={bottleneck}", "model.latent_dim=5", "regularizer=contractive")
    model = plan.autoencoder.double()
    x = torch.rand(6, *plan.facts.shape)
    names = model.objective_pass(x)
    found = model.terms["contractive"].regularizer(
        x_in=x, z=names["z"], encode=model.encode, encoder_weights=names["encoder_weights"], slope=names["slope"]
    )
    torch.testing.assert_close(found, jacobian_norm(model.encode, x), rtol=1e-9, atol=1e-12)
    if bottleneck == "vector":
        torch.testing.assert_close(found, model.arch.encoder_weights()[0].square().sum().expand(6))
    (slope,) = torch.autograd.grad(found.sum(), model.arch.encoder_weights()[0])
    assert slope.abs().max() > 0


@pytest.mark.parametrize("arch", ["mlp", "conv"])
def test_contractive_exact_and_projected_agree_with_the_jacobian(arch):
    """P18: exact to 1e-9; the mean of 500 projections within 2 %; both reach the weights."""
    plan = built(f"model/arch={arch}", "model.arch.hidden=[12,8]", "model.arch.activation=tanh", "model.latent_dim=5")
    model, x = plan.autoencoder.double(), torch.rand(6, *plan.facts.shape)
    truth = jacobian_norm(model.encode, x)
    exact = Contractive(method="exact", probes=1, higher_order=0.0, sigma=0.1)(
        x, truth, model.encode, model.arch.encoder_weights()
    )
    torch.testing.assert_close(exact, truth, rtol=1e-9, atol=1e-12)
    torch.manual_seed(0)
    projected = Contractive(method="projection", probes=500, higher_order=0.0, sigma=0.1)(
        x, truth, model.encode, model.arch.encoder_weights()
    )
    assert projected.mean().item() == pytest.approx(truth.mean().item(), rel=0.02)
    for value in (exact, projected):
        (slope,) = torch.autograd.grad(value.sum(), model.arch.encoder_weights()[0])
        assert slope.abs().max() > 0


@pytest.mark.parametrize("method", ["exact", "projection"])
def test_contractive_of_the_pass_is_that_of_a_pass_of_its_own(method):
    """Value and gradients in the weights are the same whether the encoder is run for the penalty or not."""
    plan = built("model/arch=mlp", "model.arch.hidden=[12]", "model.arch.activation=tanh", "model/bottleneck=sigmoid")
    model, x = plan.autoencoder.double(), torch.rand(6, *plan.facts.shape)
    regularizer = Contractive(method=method, probes=2, higher_order=0.0, sigma=0.1)
    weights = model.arch.encoder_weights()
    gradients = []
    for own in (True, False):
        torch.manual_seed(0)
        x_in = x.clone().requires_grad_(not own)
        z = model.encode(x_in)
        found = regularizer(x_in, z, model.encode, weights, torch.ones_like(z))
        gradients.append((found, *torch.autograd.grad(found.sum(), weights)))
    for with_own, without in zip(*gradients, strict=True):
        torch.testing.assert_close(with_own, without)


def test_contractive_closed_is_refused_where_it_would_be_wrong():
    with pytest.raises(AerunError, match="method=closed"):
        built("model/arch=mlp", "regularizer=contractive", "reg.terms.contractive.method=closed")


def spread(model, x):
    """Scale-free: how far the code moves under noise, over how far codes are apart."""
    g = torch.Generator().manual_seed(5)
    z, moved = model.encode(x), model.encode(x + 0.1 * torch.randn(x.shape, generator=g, dtype=x.dtype))
    return ((moved - z).norm(dim=1).mean() / z.var(0).sum().sqrt()).item()


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False])
def test_contraction_is_real_and_gaming_is_visible(digits, tied):
    """P19: noise-to-spread falls by 30 % (untied at lambda 0.1, tied at 1); untied, the decoder grows against the encoder."""
    found, growth = {}, {}
    strong = 1 if tied else 0.1
    for lambda_ in (0, strong):
        torch.manual_seed(0)
        plan = built("model=contractive", f"model.arch.tied={tied}", f"reg.lambda={lambda_}")
        model = plan.autoencoder.float()
        start = scale(model)
        model = descend(model, digits, steps=1000, lr=2e-3)
        found[lambda_] = spread(model, model.units(digits.val.x).float())
        growth[lambda_] = scale(model) / start
    assert found[strong] < 0.7 * found[0]
    assert (growth[strong] > 1.3) == (not tied)
    assert growth[0] < 1.3


def scale(model):
    columns, rows = model.arch.decoder_weights()[0].norm(dim=0), model.arch.encoder_weights()[-1].norm(dim=1)
    return (columns.mean() / rows.mean()).item()


def test_penalties_see_every_sample_alone():
    """A per-sample penalty of a batch is the penalties of its samples."""
    plan = built("model.arch.hidden=[12]", "model.latent_dim=4")
    model, x = plan.autoencoder.double(), torch.rand(5, *plan.facts.shape)
    regularizer = Contractive(method="exact", probes=1, higher_order=0.0, sigma=0.1)
    whole = regularizer(x, x, model.encode, model.arch.encoder_weights())
    parts = torch.cat([regularizer(one[None], x, model.encode, model.arch.encoder_weights()) for one in x])
    torch.testing.assert_close(whole, parts)
    assert isinstance(model.arch.encoder[1], nn.Linear)
