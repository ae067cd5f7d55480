"""Reductions and losses: what the objective is, exactly."""

import pytest
import torch
from torch.distributions import Bernoulli

from aerun.core.errors import AerunError
from aerun.model.loss.bce import Bce
from aerun.model.loss.mse import Mse
from tests.conftest import built

MODELS = ["ae", "linear", "sparse", "sparse_kl", "contractive", "conv", "vae", "beta_vae"]


def batch(plan, n=16):
    g = torch.Generator().manual_seed(3)
    return torch.rand(n, *plan.facts.shape, generator=g, dtype=torch.float64)


def still(plan):
    """Take the randomness out of a variational code, so that what is left is deterministic."""
    torch.manual_seed(0)
    model = plan.autoencoder.double()
    if hasattr(model.bottleneck, "forward") and "posterior" in model.bottleneck.offers:
        forward = model.bottleneck.forward
        model.bottleneck.forward = lambda h: {**forward(h), "z": model.bottleneck.code(h)}
    return model


@pytest.mark.parametrize("name", MODELS)
def test_batch_duplication_changes_nothing(name):
    """P06: cat(x, x) leaves the loss, each of its terms and the gradient as they are."""
    plan = built(f"model={name}")
    model, x = still(plan), batch(plan)
    found = []
    for data in (x, torch.cat([x, x])):
        model.zero_grad()
        value = model.objective(data, None)
        value.loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        found.append((torch.stack(value.parts), gradient))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_loss_is_reconstruction_plus_weighted_terms(name):
    """P06: loss == recon + sum of weighted penalties; weighted == lambda * weight * raw."""
    plan = built(f"model={name}", *(["reg.lambda=0.7"] if name not in ("ae", "linear", "conv") else []))
    model = still(plan)
    values = dict(zip(model.keys(False), model.objective(batch(plan), None).parts, strict=True))
    weighted = [v for k, v in values.items() if k.startswith("reg_w/")]
    torch.testing.assert_close(values["loss"], values["reconstruction"] + sum(weighted))
    for k in model.terms:
        torch.testing.assert_close(values[f"reg_w/{k}"], 0.7 * values[f"reg/{k}"])


LOSSES = [Mse(activation="linear", reduction="sum", low=None, high=None), Bce(reduction="sum", low=0.0, high=1.0)]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_feature_duplication_doubles_the_sum_and_leaves_the_mean(loss):
    """P06: D -> 2D doubles the summed loss; the mean-reduced one stays, and says so by its effective lambda."""
    raw, x = torch.randn(5, 8, dtype=torch.float64), torch.rand(5, 8, dtype=torch.float64)
    twice = loss(torch.cat([raw, raw], 1), torch.cat([x, x], 1))
    torch.testing.assert_close(twice, 2 * loss(raw, x))
    loss.reduction = "mean"
    torch.testing.assert_close(loss(torch.cat([raw, raw], 1), torch.cat([x, x], 1)), loss(raw, x))
    assert loss.per_lambda(64) == 64
    loss.reduction = "sum"
    assert loss.per_lambda(64) == 1


def test_bce_is_the_bernoulli_log_likelihood_and_its_floor_the_entropy():
    """P07."""
    loss, raw = LOSSES[1], torch.randn(6, 10, dtype=torch.float64)
    binary = torch.randint(2, (6, 10)).double()
    torch.testing.assert_close(loss(raw, binary), -Bernoulli(logits=raw).log_prob(binary).sum(1))
    grey = torch.rand(6, 10, dtype=torch.float64)
    torch.testing.assert_close(loss(torch.logit(grey), grey), loss.floor(grey))
    assert (loss(torch.logit(grey) + 0.1, grey) > loss.floor(grey)).all()
    torch.testing.assert_close(loss.floor(binary), torch.zeros(6, dtype=torch.float64))


@pytest.mark.parametrize("limits", [(None, None), (0.0, 1.2), (-1.0, 1.0)])
def test_bce_and_sigmoid_output_refuse_data_outside_the_unit_interval(limits):
    """P07: x = 1.2 is an error, not a number."""
    with pytest.raises(AerunError, match=r"\[0, 1\]"):
        Bce(reduction="sum", low=limits[0], high=limits[1])
    with pytest.raises(AerunError, match=r"\[0, 1\]"):
        Mse(activation="sigmoid", reduction="sum", low=limits[0], high=limits[1])


@pytest.mark.parametrize("loss", [*LOSSES, Mse(activation="sigmoid", reduction="sum", low=0.0, high=1.0)])
def test_the_output_starts_where_the_activation_sends_the_mean(loss):
    x = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(loss.activate(loss.deactivate(x)), x)


def test_vae_without_noise_and_without_prior_is_the_autoencoder():
    """P28: beta = 0 and z = mu give the plain loss (to the rounding of a matrix product of another width)."""
    vae, ae = built("model=vae", "reg.lambda=0"), built("model=ae", "model/loss=bce")
    model, plain = still(vae), ae.autoencoder.double()
    weights = {
        k: v[: plain.state_dict()[k].shape[0]] if k.startswith("arch.encoder.5") else v for k, v in model.state_dict().items()
    }
    plain.load_state_dict(weights)
    x = batch(vae)
    torch.testing.assert_close(model.objective(x, None).parts[1], plain.objective(x, None).parts[1], rtol=1e-13, atol=0)


def test_beta_is_twice_the_decoder_variance():
    """P28: SE + beta KL == 2 s^2 (SE / (2 s^2) + KL) for beta = 2 s^2."""
    plan = built("model=vae", "model/loss=mse", "reg.lambda=0.5")
    value = dict(zip(plan.autoencoder.keys(False), still(plan).objective(batch(plan), None).parts, strict=True))
    s2 = 0.25
    torch.testing.assert_close(value["loss"], 2 * s2 * (value["reconstruction"] / (2 * s2) + value["reg/kl"]))


def test_the_ramp_reaches_full_weight_and_validation_always_has_it():
    model = built("model=vae", "reg.terms.kl.warmup=0.5").autoencoder
    assert [model.weight("kl", p) for p in (0.0, 0.25, 0.5, 1.0, None)] == [0.0, 0.5, 1.0, 1.0, 1.0]
