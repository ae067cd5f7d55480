"""The k most active units: how many, which, the threshold of scope=batch, dead units and their revival."""

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from aerun.core.errors import AerunError
from aerun.model.bottleneck.topk import Topk
from aerun.regularizer.contractive import Contractive
from aerun.regularizer.revival import Revival
from tests.conftest import built, descend

PLANTED = ["model=topk", "dataset=dictionary", "model.bottleneck.k=4"]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def topk(latent_dim=12, **settings):
    own = {"k": 3, "scope": "sample", "calibrate": False, "k_start": None, "wider": None, "k_aux": 4, "dead_after": 20}
    return Topk(latent_dim=latent_dim, **own | settings)


def positive(*shape):
    return torch.rand(*shape) + 0.1


@pytest.mark.parametrize("shape", [(50, 12), (8, 12, 5), (8, 12, 3, 4)])
def test_exactly_the_k_largest_are_kept(double, shape):
    """P49: k nonzeros, at each place of a grid; they are the largest and keep their values; both passes agree."""
    h, bottleneck = positive(*shape), topk()
    z = bottleneck(h)["z"]
    assert ((z != 0).sum(1) == 3).all()
    kept = h.sort(dim=1, descending=True).values[:, :3]
    torch.testing.assert_close(z.sort(dim=1, descending=True).values[:, :3], kept)
    assert (z[z != 0] == h[z != 0]).all()
    assert torch.equal(bottleneck.code(h), z)


def test_ties_and_negative_activations():
    """Never more than k; below zero a unit is off, k or not."""
    assert ((topk().code(torch.ones(4, 12)) != 0).sum(1) == 3).all()
    h = -positive(4, 12)
    h[:, 5] = 2.0
    z = topk().code(h)
    assert torch.equal(z, torch.relu(h))


def test_the_slope_is_the_derivative(double):
    """P18: with one affine layer the closed contractive penalty is the Jacobian's norm."""
    model = built("model=topk", "model.latent_dim=20", "model.bottleneck.k=4").autoencoder.double()
    x = torch.rand(5, 1, 8, 8)
    rows = torch.func.vmap(torch.func.jacrev(lambda one: model.encode(one[None])[0]))(x)
    names = model.objective_pass(x)
    regularizer = Contractive(method="closed", probes=1, higher_order=0.0, sigma=0.1)
    found = regularizer(x, names["z"], model.encode, model.arch.encoder_weights(), names["slope"])
    torch.testing.assert_close(found, rows.flatten(1).square().sum(1))
    assert found.min() > 0


@pytest.mark.parametrize("places", [(), (5,)])
def test_the_batch_shares_its_units(double, places):
    """scope=batch: B * k of them (times the places), the largest of all; a sample may have more or fewer."""
    h, bottleneck = torch.randn(40, 12, *places), topk(scope="batch")
    z = bottleneck(h)["z"]
    count = 40 * 3 * (places[0] if places else 1)
    assert (z > 0).sum() == count
    assert z[z > 0].min() >= h[z == 0].max()
    assert ((z > 0).sum(1) != 3).any()


def test_the_threshold_follows_the_smallest_kept_activation(double):
    """Its running mean over training batches; used alike in validation and use, where no batch mate matters (P44)."""
    bottleneck = topk(scope="batch")
    expected = None
    for _ in range(4):
        z = bottleneck(torch.randn(40, 12))["z"]
        smallest = z[z > 0].min()
        expected = smallest if expected is None else 0.99 * expected + 0.01 * smallest
    torch.testing.assert_close(bottleneck.threshold, expected)
    bottleneck.eval()
    h = torch.randn(40, 12)
    z = bottleneck(h)["z"]
    assert torch.equal(z, h * (h >= expected))
    assert torch.equal(bottleneck.code(h), z)
    assert torch.equal(torch.cat([bottleneck.code(one[None]) for one in h]), z)
    torch.testing.assert_close(bottleneck.threshold, expected)


def test_before_the_first_batch_the_threshold_keeps_all():
    h = torch.randn(4, 12)
    assert torch.equal(topk(scope="batch").eval()(h)["z"], torch.relu(h))


def test_silence_is_counted_in_training_samples_and_in_training_only():
    bottleneck, h = topk(), positive(7, 12)
    h[:, 4:] = -1
    h[:, 3] = 0.01  # positive, but never among the three largest
    bottleneck(h)
    bottleneck(h)
    assert bottleneck.idle.tolist() == [0, 0, 0] + [14] * 9
    bottleneck.eval()(h)
    bottleneck.code(h)
    assert bottleneck.idle.max() == 14
    h[6, 8] = 5.0
    bottleneck.train()(h)
    assert bottleneck.idle[8] == 0
    assert bottleneck.idle[9] == 21
    assert bottleneck.watch(bottleneck.code(h))["dead"] == pytest.approx(8 / 12)  # 20 samples and more


def test_spare_is_of_the_most_active_dead_units_alone(double):
    bottleneck, h = topk(k_aux=2), torch.randn(6, 12)
    assert not bottleneck(h)["spare"].any()
    bottleneck.idle[:] = torch.tensor([0] * 6 + [99] * 6)
    bottleneck.eval()
    spare = bottleneck(h)["spare"]
    dead = torch.relu(h).clone()
    dead[:, :6] = 0
    kept = dead.sort(dim=1, descending=True).values[:, :2]
    torch.testing.assert_close(spare.sort(dim=1, descending=True).values[:, :2], kept)
    assert ((spare != 0).sum(1) <= 2).all()
    assert not spare[:, :6].any()


def test_figures_of_the_code():
    bottleneck = topk()
    assert bottleneck.watch(bottleneck(positive(9, 12, 2, 2))["z"])["l0"] == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"k": 13}, r"model.bottleneck.k=13.*model.latent_dim=12"),
        ({"k": 0}, r"model.bottleneck.k=0"),
        ({"scope": "all"}, r"model.bottleneck.scope=all.*sample, batch"),
        ({"k_aux": 0}, r"model.bottleneck.k_aux=0"),
        ({"dead_after": 0}, r"model.bottleneck.dead_after=0"),
    ],
)
def test_senseless_settings_are_refused(settings, words):
    with pytest.raises(AerunError, match=words):
        topk(**settings)


def test_revival_is_refused_where_no_unit_can_be_dead():
    with pytest.raises(AerunError, match=r"`spare`.*model/bottleneck=gated, jumprelu"):
        built("model/bottleneck=sigmoid", "regularizer=revival")


# -- revival ---------------------------------------------------------------------------------------------------------


def test_revival_is_the_error_that_dead_units_leave(double):
    """||e - W s||^2 for a linear decoder, whatever its bias; 0 for a sample without spare units; no gradient into x_hat."""
    decoder = nn.Linear(5, 7)
    x, x_hat, s = torch.randn(4, 7), torch.randn(4, 7, requires_grad=True), torch.rand(4, 5, requires_grad=True)
    with torch.no_grad():
        s[2] = 0
    found = Revival()(x, x_hat, s, decoder)
    expected = (x - x_hat - s @ decoder.weight.t()).square().sum(1)
    expected = torch.where(torch.arange(4) == 2, 0, expected)
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert x_hat.grad is None
    assert s.grad[0].abs().max() > 0
    assert decoder.weight.grad.abs().max() > 0
    assert decoder.bias.grad.abs().max() < 1e-12


def test_revival_leaves_missing_steps_out(double):
    x, x_hat, s = torch.randn(2, 6, 3), torch.randn(2, 6, 3), torch.rand(2, 4)
    valid = torch.arange(6) < torch.tensor([[6], [2]])

    def decode(z):
        return (z @ torch.ones(4, 18)).view(-1, 6, 3)

    found = Revival()(x, x_hat, s, decode, valid)
    each = (x - x_hat - decode(s)).square().sum(2)
    torch.testing.assert_close(found, (each * valid).sum(1))


@pytest.mark.parametrize("revived", [True, False])
def test_a_killed_unit_comes_back_with_revival_only(revived):
    """P49: without it no gradient ever reaches the unit; with it the unit is at work again."""
    plan = built(*PLANTED, "model.latent_dim=24", "model.bottleneck.dead_after=256", f"reg.lambda={float(revived)}")
    data, model = plan.dataset.load(), plan.autoencoder
    descend(model, data, steps=150, lr=3e-3)
    layer, victim = model.arch.encoder[-1], 5
    with torch.no_grad():
        layer.weight[victim] *= 1e-3
        layer.bias[victim] = 0
    before = layer.weight[victim].clone()
    x = model.train().units(data.train.x)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(300):
        optimizer.zero_grad()
        model.objective(x[step * 40 : step * 40 + 128], 0.5).loss.backward()
        optimizer.step()
    on = (model.encode(x)[:, victim] > 0).float().mean()
    assert (on > 0.005) == revived
    assert torch.equal(layer.weight[victim], before) != revived


def planted_recovery(*overrides, steps=800, seed=0):
    """Best absolute cosine of each planted atom with a decoder column (64,), and the code of the test samples."""
    plan = built(*PLANTED, *overrides, f"seed={seed}")
    data = plan.dataset.load()
    model = descend(plan.autoencoder, data, steps=steps, lr=3e-3, batch=256, seed=seed)
    columns = normalize(model.arch.decoder_weights()[0].detach(), dim=0)
    return (plan.dataset.atoms().t() @ columns).max(1).values, model.encode(model.units(data.test.x))


def test_a_planted_dictionary_is_found_again():
    """E05, P49: 64 atoms in 32 dimensions, 4 in a sample: mean best cosine above .95, at least 95 % of the atoms above .9."""
    cosines, z = planted_recovery()
    assert cosines.mean() > 0.95
    assert (cosines > 0.9).float().mean() >= 0.95
    assert ((z > 0).sum(1) <= 4).all()
    assert (z > 0).sum(1).float().mean() > 3.9


@pytest.mark.slow
@pytest.mark.parametrize(("scope", "seed"), [("sample", 1), ("batch", 2)])
def test_a_planted_dictionary_is_found_again_by_either_scope(scope, seed):
    cosines, z = planted_recovery(f"model.bottleneck.scope={scope}", f"dataset.seed={seed}", seed=seed, steps=2000)
    assert cosines.mean() > 0.95
    assert (cosines > 0.9).float().mean() >= 0.95
    assert (z > 0).sum(1).float().mean() == pytest.approx(4, abs=0.3)
