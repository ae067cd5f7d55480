"""Settings of iwae: MIWAE, CIWAE, PIWAE and the doubly reparametrized gradient, where the likelihood is known."""

import math

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.regularizer.iwae import Iwae
from aerun.vocabulary import call
from tests.conftest import built
from tests.regularizer.test_prior_matching import linear_gaussian  # noqa: F401 - a fixture

PLAIN = {"samples": 5, "groups": 1, "elbo": 0.0, "encoder": "same"}


@pytest.fixture
def known(linear_gaussian):  # noqa: F811
    return linear_gaussian


def bounds(known, **settings):
    """The reported bound of each sample."""
    model, x, _ = known
    names = model.objective_pass(x)
    return -(call(Iwae(**{**PLAIN, **settings}), names) + names["reconstruction"])


def test_bounds_of_groups_lie_between_the_elbo_and_the_likelihood(known):
    """P73: ELBO <= MIWAE(8, 8) <= IWAE(64) <= log p; two groups of 8 are IWAE(8) on average; what is reported is a bound."""
    exact = known[2]
    with torch.no_grad():
        found = {
            "elbo": bounds(known, samples=1),
            "all elbo": bounds(known, samples=8, groups=2, elbo=1.0),
            "iwae 8": bounds(known, samples=8),
            "miwae 2 8": bounds(known, samples=8, groups=2),
            "miwae 8 2": bounds(known, samples=2, groups=8),
            "miwae 8 8": bounds(known, samples=8, groups=8),
            "ciwae": bounds(known, samples=8, elbo=0.05),
            "iwae 64": bounds(known, samples=64),
        }
        piwae = bounds(known, samples=8, groups=8, encoder="groups")
        dreg = bounds(known, samples=8, groups=8, encoder="dreg")
    gap = {k: (v - exact).mean().item() for k, v in found.items()}
    noise = {k: 3 * ((v - exact).std() / math.sqrt(len(v))).item() for k, v in found.items()}
    assert all(gap[k] < noise[k] for k in gap)
    assert gap["elbo"] < gap["miwae 8 2"] - noise["elbo"] < gap["iwae 8"]
    assert gap["iwae 8"] < gap["iwae 64"]
    assert abs(gap["miwae 2 8"] - gap["iwae 8"]) < noise["iwae 8"]
    assert abs(gap["miwae 8 8"] - gap["iwae 8"]) < noise["iwae 8"]
    assert abs(gap["all elbo"] - gap["elbo"]) < noise["elbo"]
    assert gap["ciwae"] == pytest.approx(0.95 * gap["iwae 8"] + 0.05 * gap["elbo"], abs=noise["elbo"])
    assert (piwae - exact).mean().item() == pytest.approx(gap["iwae 64"], abs=noise["iwae 64"])
    assert (dreg - exact).mean().item() == pytest.approx(gap["iwae 8"], abs=noise["iwae 8"])


def gradients(known, draws, **settings):
    """Of the objective of one sample by the first of the encoder's outputs, so many independent ones."""
    model, x, _ = known
    names = model.objective_pass(x[:1].expand(draws, *x.shape[1:]), None, 0.5)
    term = call(Iwae(**{**PLAIN, **settings}), names)
    return torch.autograd.grad((term + names["reconstruction"]).sum(), names["h"])[0][:, 0]


@pytest.mark.parametrize("samples", [1, 8, 64])
def test_the_doubly_reparametrized_gradient_is_the_plain_one_on_average(known, samples):
    """P74: within three standard errors, and less noisy where codes are many."""
    torch.manual_seed(0)
    plain, dreg = (gradients(known, 2000, samples=samples, groups=2, encoder=how) for how in ("same", "dreg"))
    noise = ((plain.var() + dreg.var()) / len(plain)).sqrt()
    assert (plain.mean() - dreg.mean()).abs() < 3 * noise
    if samples > 1:
        assert dreg.std() < plain.std() / 2


def test_the_plain_signal_drowns_with_more_codes_and_the_other_rises(known):
    """P74: mean over deviation of the encoder's gradient, with 8 and 64 codes."""
    torch.manual_seed(1)
    ratio = {
        (how, k): (g.mean().abs() / g.std()).item()
        for how in ("same", "dreg")
        for k in (8, 64)
        for g in [gradients(known, 4000, samples=k, encoder=how)]
    }
    assert ratio["dreg", 64] > ratio["dreg", 8] > ratio["same", 8] > ratio["same", 64], ratio


def test_the_decoder_takes_all_codes_and_the_encoder_its_groups(known):
    """PIWAE: the decoder's gradient is that of IWAE(16), the encoder's that of MIWAE(4, 4), of the very same codes."""
    model, x, _ = known
    of = [model.arch.encoder[-1].bias, model.arch.encoder[-1].weight], [*model.arch.decoder[-2].parameters()]
    slopes = {}
    for name, settings in {
        "miwae": {"samples": 4, "groups": 4},
        "iwae": {"samples": 16},
        "piwae": {"samples": 4, "groups": 4, "encoder": "groups"},
        "dreg": {"samples": 4, "groups": 4, "encoder": "dreg"},
    }.items():
        torch.manual_seed(3)
        model.terms["iwae"].regularizer.__init__(**{**PLAIN, **settings})
        slopes[name] = torch.autograd.grad(model.objective(x[:50], 1.0).loss, of[0] + of[1])
    torch.testing.assert_close(slopes["piwae"][:2], slopes["miwae"][:2])
    torch.testing.assert_close(slopes["piwae"][2:], slopes["iwae"][2:])
    torch.testing.assert_close(slopes["dreg"][2:], slopes["miwae"][2:])
    assert (slopes["miwae"][2] - slopes["iwae"][2]).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reg.terms.iwae.encoder=groups"], "groups above 1"),
        (["reg.terms.iwae.encoder=stl"], "encoder=stl.*same, groups, dreg"),
        (["reg.terms.iwae.groups=0"], "groups=0"),
        (["reg.terms.iwae.elbo=1.5"], "elbo=1.5"),
    ],
)
def test_senseless_bounds_are_refused(words, said):
    with pytest.raises(AerunError, match=said):
        built("model=iwae", *words)


def test_runs_of_before_these_settings_are_the_same_runs():
    """Their configs lack groups, elbo and encoder; they are built as they were trained, and resumed."""
    from aerun.build import build
    from aerun.runs.identity import differences
    from tests.conftest import composed

    now = composed("model=iwae")
    before = composed("model=iwae")
    for later in ("groups", "elbo", "encoder"):
        del before["reg"]["terms"]["iwae"][later]
    assert not differences(before, now)
    assert build(before).autoencoder.terms["iwae"].regularizer.encoder == "same"
    assert differences(before, composed("model=iwae", "reg.terms.iwae.groups=2"))


def test_the_doubly_reparametrized_gradient_holds_for_gamma_posteriors():
    """P74 where draws have implicit gradients: every feature's mean gradient within three standard errors."""
    torch.manual_seed(0)
    small = ["model.bottleneck.posterior=gamma", "model.latent_dim=2", "model.arch.hidden=[8]", "model/loss=gaussian"]
    model = built("model=vae", "regularizer=iwae", *small).autoencoder
    x = torch.rand(1, 1, 8, 8).expand(600, -1, -1, -1)
    found = []
    for how in ("same", "dreg"):
        names = model.objective_pass(x, None, 0.5)
        term = call(Iwae(**{**PLAIN, "samples": 8, "encoder": how}), names)
        found.append(torch.autograd.grad((term + names["reconstruction"]).sum(), names["h"])[0])
    plain, dreg = found
    noise = ((plain.var(0) + dreg.var(0)) / len(plain)).sqrt()
    assert ((plain.mean(0) - dreg.mean(0)).abs() < 3 * noise).all()
    assert (dreg.std(0) < plain.std(0)).all()
