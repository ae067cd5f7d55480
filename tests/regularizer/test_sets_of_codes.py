"""Penalties on codes as a set, and on the decoder at a code: dip, swae, decoder_gradient."""

import pytest
import torch
from torch.distributions import Normal

from aerun.core.errors import AerunError
from aerun.model.prior.normal import StandardNormal
from aerun.regularizer.decoder_gradient import DecoderGradient
from aerun.regularizer.dip import Dip
from aerun.regularizer.swae import Swae
from tests.conftest import built

pytestmark = pytest.mark.usefixtures("double")


def dip(means, scale, version, **weights):
    return Dip(version=version, **{"off_diagonal": 10.0, "diagonal": 5.0, **weights})(
        Normal(means, torch.as_tensor(scale).expand_as(means))
    )


def test_dip_is_small_for_independent_units_and_sees_what_it_should():
    """P86: iid N(0, I), d = 8, a = 10, b = 5: below 2; II takes the posteriors' variance into account, I does not."""
    torch.manual_seed(0)
    means = torch.randn(1000, 8)
    assert dip(means, 1e-6, "i") < 2
    assert dip(0.6**0.5 * means, 0.4**0.5, "ii") < 0.5
    assert dip(0.6**0.5 * means, 0.4**0.5, "i").item() == pytest.approx(6.5, abs=0.6)
    mixed = means @ torch.linalg.qr(torch.randn(8, 8))[0] * torch.arange(1.0, 9)
    covariance = torch.cov(mixed.t(), correction=0)
    apart = covariance - covariance.diag().diag()
    expected = 10 * apart.square().sum() + 5 * (covariance.diag() - 1).square().sum()
    torch.testing.assert_close(dip(mixed, 1e-9, "i"), expected)
    torch.testing.assert_close(dip(mixed, 1e-9, "i", diagonal=None), expected + 95 * (covariance.diag() - 1).square().sum())


def test_dip_watches_the_correlation_and_takes_places_as_samples():
    torch.manual_seed(0)
    z = torch.randn(500, 4)
    term = Dip(version="i", off_diagonal=1.0, diagonal=None)
    assert term.watch(Normal(z, 1.0))["correlation"] < 0.1
    together = torch.cat([z[:, :1], z[:, :1]], 1)
    assert term.watch(Normal(together, 1.0))["correlation"].item() == pytest.approx(1)
    grid = z.reshape(125, 2, 2, 4).movedim(-1, 1)
    torch.testing.assert_close(term(Normal(grid, 1.0)), term(Normal(z, 1.0)))
    with pytest.raises(AerunError, match=r"needs `factors`"):
        built("regularizer=dip")
    with pytest.raises(AerunError, match=r"dip\.version=iii"):
        built("model=vae", "regularizer=[kl,dip]", "reg.terms.dip.version=iii")


def test_swae_is_the_distance_of_a_shifted_and_scaled_gaussian():
    """P87: ||m||^2 / d + (s - 1)^2 within 5 %; at B = 128 a floor below .03."""
    torch.manual_seed(0)
    shift = torch.tensor([0.5, -0.5, 1.0, 0.0, 0.0, 0.5, 0.0, 1.0])
    z = torch.randn(6000, 8) * 1.3 + shift
    term = Swae(directions=500)
    assert term(z, StandardNormal(z)).item() == pytest.approx(shift.square().sum().item() / 8 + 0.09, rel=0.05)
    few = torch.stack([term(z, StandardNormal(z)) for z in torch.randn(8, 128, 8)])
    assert few.mean() < 0.03
    sampled = torch.stack([term(z, Normal(torch.zeros_like(z), 1.0)) for z in torch.randn(8, 128, 8)])
    assert 1.6 * few.mean() < sampled.mean() < 0.06
    for spatial in (z[:512].reshape(256, 4, 2, 2),):
        assert term(spatial, StandardNormal(spatial)).isfinite()
    with pytest.raises(AerunError, match=r"swae\.directions=0"):
        Swae(directions=0)


@pytest.mark.parametrize(
    "overrides", [["model/arch=linear"], ["model.arch.hidden=[12]", "model.arch.activation=tanh"]], ids=" ".join
)
def test_the_decoder_gradient_is_its_jacobian(overrides):
    """P75: of a linear decoder ||W||_F^2 whatever the code, with no gradient to the encoder; projections agree on average."""
    torch.manual_seed(0)
    model = built("model=ae", "model.latent_dim=3", "regularizer=decoder_gradient", *overrides).autoencoder.double()
    names = model.objective_pass(torch.rand(5, 1, 8, 8), None, 0.5)
    given = [names[k] for k in ("z", "x_hat", "decode")]
    exact = DecoderGradient(method="exact", probes=1)(*given)
    truth = [torch.autograd.functional.jacobian(lambda v: names["decode"](v[None])[0], z) for z in names["z"].detach()]
    torch.testing.assert_close(exact, torch.stack([j.square().sum() for j in truth]))
    weights = [*model.arch.encoder.parameters(), *model.arch.decoder.parameters()]
    encoder = len([*model.arch.encoder.parameters()])
    slopes = torch.autograd.grad(exact.sum(), weights, retain_graph=True, allow_unused=True)
    if overrides == ["model/arch=linear"]:
        (w,) = model.arch.decoder_weights()
        torch.testing.assert_close(exact, w.square().sum().expand(5))
        assert all(g is None or g.abs().max() < 1e-12 for g in slopes[:encoder])
        torch.testing.assert_close(slopes[encoder], 2 * 5 * w)
    else:
        assert all(g is not None and g.abs().max() > 0 for g in slopes[: encoder - 1])
    many = DecoderGradient(method="projection", probes=3000)(*given)
    torch.testing.assert_close(many, exact, rtol=0.1, atol=0)
    with torch.no_grad():
        blank = model.objective_pass(torch.rand(5, 1, 8, 8), None)
        assert DecoderGradient(method="projection", probes=2)(*(blank[k] for k in ("z", "x_hat", "decode"))).shape == (5,)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model/bottleneck=vq"], "codes that can move a little.*finitely many"),
        (["model/arch=recurrent", "dataset=sines"], "writes a sample at once"),
        (["model.arch.norm=batch"], "without norm=batch"),
        (["reg.terms.decoder_gradient.probes=0"], "probes=0"),
    ],
)
def test_decoder_gradient_refuses(words, said):
    with pytest.raises(AerunError, match=said):
        built("model=ae", "regularizer=decoder_gradient", *words)
