"""Codes whose units are on or off: learned thresholds, gates, calibrated thresholds, and their revival."""

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import aerun
from aerun.core.errors import AerunError
from aerun.metrics import pca
from aerun.model.bottleneck.gated import Gated
from aerun.model.bottleneck.jumprelu import Jumprelu
from aerun.model.bottleneck.relu import Relu
from aerun.model.bottleneck.selected import nth_largest
from aerun.model.bottleneck.topk import Topk
from aerun.regularizer.revival import Revival
from tests.conftest import built, descend
from tests.shell import here


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def jumprelu(latent_dim=1, **settings):
    own = {"threshold": 0.7, "bandwidth": 0.05, "k_aux": 4, "dead_after": 20}
    return Jumprelu(latent_dim=latent_dim, **own | settings)


def topk(**settings):
    own = {"latent_dim": 12, "k": 3, "scope": "batch", "calibrate": True, "k_start": None, "wider": None}
    return Topk(**own | {"k_aux": 4, "dead_after": 20} | settings)


@pytest.mark.parametrize("bandwidth", [0.05, 0.2])
def test_the_threshold_descends_the_expected_loss(double, bandwidth):
    """P100: h ~ N(.2, 1), theta .7: the mean pseudo-gradient is the slope of the expected loss."""
    h = 0.2 + torch.randn(1_500_000, 1)

    def expected(theta):
        z = h * (h > theta)
        return (z - h.relu()).square().mean(), (h > theta).double().mean()

    bottleneck = jumprelu(bandwidth=bandwidth)
    names = bottleneck(h)
    step = 0.02
    for part, value in enumerate(((names["z"] - h.relu()).square().mean(), names["active"].mean())):
        (found,) = torch.autograd.grad(value, bottleneck.threshold, retain_graph=True)
        slope = (expected(0.7 + step)[part] - expected(0.7 - step)[part]) / (2 * step)
        assert float(found) == pytest.approx(float(slope), abs=0.02)
        assert float(found) == pytest.approx(float(slope), rel=0.1)


def test_a_threshold_moves_by_itself_and_not_by_its_logarithm():
    """P101: 1,000 steps of Adam at 3e-4 under a constant pull bring it from .01 above .2."""
    bottleneck = jumprelu(threshold=0.01)
    optimizer = torch.optim.Adam(bottleneck.parameters(), 3e-4)
    for _ in range(1000):
        optimizer.zero_grad()
        bottleneck.theta().sum().neg().backward()
        optimizer.step()
    assert bottleneck.theta().item() > 0.2


def test_a_threshold_below_zero_is_zero_and_can_rise_again():
    bottleneck = jumprelu(threshold=0.0)
    with torch.no_grad():
        bottleneck.threshold.fill_(-0.01)
    assert bottleneck.theta().item() == 0
    assert torch.autograd.grad(bottleneck.theta().sum(), bottleneck.threshold)[0] == 1


@pytest.mark.parametrize("shape", [(40, 6), (8, 6, 3, 2)])
def test_jumprelu_keeps_what_lies_above_the_threshold(double, shape):
    h, bottleneck = torch.randn(*shape), jumprelu(6, threshold=0.3)
    names = bottleneck(h)
    assert torch.equal(names["z"], h * (h > 0.3))
    assert torch.equal(bottleneck.code(h), names["z"])
    assert torch.equal(names["active"], (h > 0.3).flatten(1).sum(1).double())


def test_a_bandwidth_that_does_not_suit_the_features_is_said(caplog):
    for bandwidth, words in ((1e-5, "hardly learn"), (10.0, "all pulled alike"), (0.5, "")):
        caplog.clear()
        jumprelu(6, bandwidth=bandwidth).prepare(500, lambda n: torch.randn(n, 6))
        assert words in caplog.text
        assert bool(caplog.text) == bool(words)


def test_a_gated_code_is_a_jumprelu_code(double):
    """P102: on m = e^r h + c with theta = max(c, 0), exactly, c of both signs."""
    gated, h = Gated(latent_dim=8, k_aux=4, dead_after=20), torch.randn(200, 8)
    with torch.no_grad():
        gated.log_gain.copy_(torch.randn(8) / 2)
        gated.shift.copy_(torch.linspace(-1, 1, 8))
    same = jumprelu(8)
    with torch.no_grad():
        same.threshold.copy_(gated.shift.clamp_min(0))
    assert torch.equal(gated.code(h), same.code(gated.magnitude(h)))
    assert (gated.code(h) > 0).any(0).all()


@pytest.mark.parametrize("atoms", ["free", "unit"])
def test_the_gate_does_not_teach_the_decoder(double, atoms):
    """P103: its reconstruction has no gradient for any weight of the decoder, and one for the encoder's."""
    model = built("model=sae_gated", "model.latent_dim=12", f"model.arch.atoms={atoms}").autoencoder.double()
    names = model.objective_pass(torch.rand(9, 1, 8, 8), progress=0.5)
    value = model.terms["gate"].regularizer(names["target"], names["gate"], names["decode_frozen"])
    torch.testing.assert_close(names["decode_frozen"](names["gate"]), names["decode"](names["gate"]))
    decoder, encoder = list(model.arch.decoder.parameters()), list(model.arch.encoder.parameters())
    found = torch.autograd.grad(value.sum(), [*decoder, *encoder], allow_unused=True)
    assert all(g is None for g in found[: len(decoder)])
    assert all(g.abs().max() > 0 for g in found[len(decoder) :])


def test_l1_asks_the_gate_and_not_the_code():
    model = built("model=sae_gated", "model.latent_dim=12").autoencoder
    names = model.objective_pass(torch.rand(9, 1, 8, 8))
    found = model.terms["l1"].regularizer(names["z"], names["decoder_weights"], names["gate"])
    torch.testing.assert_close(found, names["gate"].sum(1))  # atoms of norm 1


def test_a_calibrated_threshold_keeps_k_on_average(double):
    """P104: of all training samples exactly n k units are on, whatever the threshold was; a code knows no batch mates."""
    bottleneck, h = topk().eval(), torch.randn(1000, 12)
    found = bottleneck.finish(lambda: iter(h.split(300)))
    assert found["threshold"] == float(bottleneck.threshold)
    assert abs(int((bottleneck.code(h) > 0).sum()) - 3000) <= 1
    assert torch.equal(torch.cat([bottleneck.code(one[None]) for one in h[:20]]), bottleneck.code(h)[:20])
    assert topk(calibrate=False).finish(lambda: iter([h])) == topk(scope="sample").finish(lambda: iter([h])) == {}


def test_a_value_of_a_rank():
    values = torch.randn(5000)
    ordered = values.sort(descending=True).values
    for n in (1, 7, 2000):
        assert nth_largest(lambda: iter(values.split(999)), n) == float(ordered[n - 1])
    assert nth_largest(lambda: iter([values]), 4999) == 0  # about half are positive


def test_active_units_fall_from_k_start_to_k():
    bottleneck, h = topk(scope="sample", k_start=11), torch.rand(5, 12)
    counts = [int((bottleneck(h, progress=p)["z"] > 0).sum(1)[0]) for p in (0.0, 0.05, 0.1, 0.9)]
    assert counts == [11, 7, 3, 3]
    assert int((bottleneck.eval()(h, progress=0.0)["z"] > 0).sum(1)[0]) == 3


def test_the_wider_code_has_more_units_and_holds_the_code(double):
    bottleneck, h = topk(scope="sample", wider=2), torch.rand(5, 12)
    names = bottleneck(h)
    assert ((names["wider"] > 0).sum(1) == 6).all()
    assert torch.equal(names["wider"][names["z"] > 0], names["z"][names["z"] > 0])
    model = built("model=topk", "model.bottleneck.wider=2", "regularizer=wider").autoencoder
    names = model.objective_pass(torch.rand(4, 1, 8, 8), progress=0.5)
    found = model.terms["wider"].regularizer(names["wider"], names["judge"])
    expected = mse_loss(names["decode"](names["wider"]), names["x"], reduction="none").flatten(1).sum(1)
    torch.testing.assert_close(found, expected)


# -- revival ---------------------------------------------------------------------------------------------------------


def test_revival_does_not_see_where_the_data_lie(double):
    """P106: unchanged when data and output bias shift by a constant."""
    decoder, s = nn.Linear(5, 7), torch.rand(4, 5)
    x, x_hat = torch.randn(4, 7), torch.randn(4, 7)
    before = Revival()(x, x_hat, s, decoder)
    with torch.no_grad():
        decoder.bias += 3
    torch.testing.assert_close(Revival()(x + 3, x_hat + 3, s, decoder), before)


@pytest.mark.parametrize("code", ["relu", "jumprelu", "gated"])
def test_silent_units_of_every_such_code_come_back(code):
    """A unit that nothing switches on has no gradient by itself; with revival it is at work again."""
    own = [
        "reg.lambda=1",
        "model.bottleneck.dead_after=256",
        "model.bottleneck.k_aux=8",
        "model.latent_dim=24",
        "model.arch.atoms=unit",
    ]
    plan = built("model=sparse", "dataset=dictionary", f"model/bottleneck={code}", *own, "regularizer=[l1,revival]")
    data, model = plan.dataset.load(), plan.autoencoder
    model.strength = {"l1": 0.1, "revival": 1 / 32}
    descend(model, data, steps=100, lr=3e-3)
    layer, victim = model.arch.encoder[-1], 5
    with torch.no_grad():
        layer.weight[victim] *= 1e-3
        layer.bias[victim] = -0.3
    assert not (model.encode(model.units(data.train.x))[:, victim] > 0).any()
    descend(model.train(), data, steps=300, lr=3e-3)
    assert (model.encode(model.units(data.train.x))[:, victim] > 0).float().mean() > 0.005


def test_relu_counts_no_silence_unless_asked():
    """Runs of before have no such buffer."""
    assert "idle" not in dict(Relu(latent_dim=3, k_aux=None, dead_after=20).named_buffers())
    assert "idle" in dict(Relu(latent_dim=3, k_aux=2, dead_after=20).named_buffers())


# -- PCA before the first step ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent_dim", [3, 15])
def test_a_principal_start_is_pca_of_the_training_samples(double, latent_dim):
    """Also where the code has more units than the samples determine: these write nothing."""
    plan = built("model=linear", f"model.latent_dim={latent_dim}", "model.arch.start=principal")
    model, x = plan.autoencoder, plan.dataset.load().train.x[:12]
    model.start_from(x)
    units = model.units(x).double()
    base = pca.fit(lambda: iter([units]), latent_dim)
    assert torch.allclose(model.double()(units), base(units), atol=1e-6)


# -- what is refused -------------------------------------------------------------------------------------------------

REFUSED = [
    (["model=sparse", "regularizer=l0"], "needs `active`.*model/bottleneck=jumprelu"),
    (["model=sparse", "regularizer=gate"], "needs `gate`.*model/bottleneck=gated"),
    (["model=topk", "regularizer=wider"], "model.bottleneck.wider=null. Use model.bottleneck.wider=4"),
    (["model=sparse", "regularizer=[l1,revival]"], "model.bottleneck.k_aux=null. Use model.bottleneck.k_aux=32"),
    (["model=topk", "model.bottleneck.k_start=129"], "k_start=129.*model.latent_dim=128"),
    (["model=sae_jumprelu", "reg.terms.l0.count=6", "trainer.accumulate=2"], "accumulate=2"),
    (["model=sae_jumprelu", "model.bottleneck.bandwidth=0"], "model.bottleneck.bandwidth=0"),
    (["model=sae_jumprelu", "reg.terms.l0.count=0"], "reg.terms.l0.count=0"),
    (["model=vae", "model/arch=linear", "model.arch.start=mirrored"], "model.arch.start=mirrored"),
    (["model=vae", "model/arch=linear", "model.arch.start=principal"], "model.arch.start=principal"),
    (["model=linear", "model.arch.tied=true", "model.arch.start=principal"], "model.arch.start=principal"),
    (["model=ica", "model.arch.centre=median"], "centre=mean"),
]


@pytest.mark.parametrize(("typed", "words"), REFUSED)
def test_what_does_not_go_together_is_refused_in_words(typed, words):
    with pytest.raises(AerunError, match=words):
        built(*typed)


def test_atoms_that_begin_at_samples(tmp_path):
    """Directions of training samples from the mean, other ones for another seed; the run is loaded without its data."""
    typed = ("model=sae_topk", "dataset=features", "dataset.n=200", "model.latent_dim=40")
    directions = []
    for seed in (0, 1):
        plan = built(*typed, f"seed={seed}")
        train = plan.dataset.load().train.x
        plan.autoencoder.start_from(train)
        atoms, encoder = plan.autoencoder.decoder_weights()[0], plan.autoencoder.arch.encoder_weights()[0]
        samples = torch.nn.functional.normalize(train - train.mean(0), dim=1)
        assert ((samples @ atoms).amax(0) > 1 - 1e-5).all()
        torch.testing.assert_close(encoder, atoms.t())
        directions.append(atoms)
    assert not torch.allclose(*directions)
    few = ["trainer.max_steps=3", "pictures=[]", "evaluate=[]", f"hydra.run.dir={tmp_path / 'run'}"]
    assert here(tmp_path, *typed, *few).code == 0
    assert aerun.load(tmp_path / "run").encode(train[:3].numpy()).shape == (3, 40)
