"""P127 to P131: members that are made to raise alarms, and the pitfalls of each."""

import csv
import json

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal
from torch.nn.functional import cosine_similarity

import aerun
from aerun.core.errors import AerunError
from aerun.evaluate.samplers.mixture import Mixture
from aerun.model.bottleneck.memory import Memory, shrunk
from aerun.regularizer.sad import Sad
from aerun.regularizer.svdd import Svdd
from aerun.trainer.turns import Turn
from tests.conftest import built
from tests.shell import here

pytestmark = pytest.mark.usefixtures("double")

SMALL = ["model.arch.hidden=[16]", "model.latent_dim=4"]


def test_the_centre_is_never_0_and_no_optimizer_has_it():
    """P127: c is the mean code before the first step, its units at least 0.1 from 0, and no parameter."""
    plan = built("model=deep_svdd", *SMALL)
    model, term = plan.autoencoder.double(), plan.autoencoder.terms["svdd"].regularizer
    stored = torch.rand(60, 1, 8, 8) * 16
    model.start_from(stored)
    codes = model.encode(model.units(stored))
    assert term.centre.abs().min() >= 0.1 - 1e-12
    expected = codes.mean(0)
    kept = expected.abs() >= 0.1
    torch.testing.assert_close(term.centre[kept], expected[kept])
    assert not list(term.parameters())
    with pytest.raises(AerunError, match="all codes are 0"):
        term.start_from(torch.zeros(9, 4))
    with pytest.raises(AerunError, match=r"least=0.*above 0"):
        Svdd(latent_dim=4, least=0.0)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.arch.bias=true"], "encoder without biases and learned shifts.*model.arch.bias=false"),
        (["model.arch.tied=true"], "needs a decoder whose matrices.*model.arch.tied=false"),
        (["model/arch=recurrent", "dataset=sines"], "biases.*model.arch.bias=false, of model/arch=mlp"),
        (["model.arch.activation=tanh"], "without tanh.*activation=relu"),
        (["model/bottleneck=sigmoid"], "any real vector.*vector"),
        (["regularizer=[svdd,sad]", "dataset.normal=[8]", "dataset.condition=label", "dataset.condition_to=terms"], "novelty"),
    ],
)
def test_what_writes_one_code_for_all_is_refused(overrides, words):
    """P127: biases, the shift of a norm, activations that stand still, bounded codes, shared matrices."""
    with pytest.raises(AerunError, match=words):
        built(*(["model=deep_svdd"] if "dataset=sines" not in overrides else ["regularizer=svdd"]), *overrides)


def test_without_biases_norms_learn_no_shift():
    plan = built("model=deep_svdd", "model.arch.norm=batch", *SMALL)
    assert all("bias" not in name for name, _ in plan.autoencoder.arch.encoder.named_parameters())
    assert any("bias" in name for name, _ in plan.autoencoder.arch.decoder.named_parameters())
    assert not plan.autoencoder.arch.constant_by


def test_weights_of_0_raise_the_alarm_and_those_of_the_start_do_not():
    """P127."""
    term = built("model=deep_svdd", *SMALL).autoencoder.terms["svdd"].regularizer.double()
    codes = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    term.start_from(codes)
    assert term.warning(term.figures(codes)) == ""
    assert term.warning(term.figures(codes * 1e-4)) == ""  # codes all 0 are not at the centre
    assert "SphereCollapse" in term.warning(term.figures(term.centre + codes * 1e-4))


def test_known_anomalies_are_pushed_away_and_without_eta_they_count_for_nothing():
    """P128: the gradient of a known anomaly points towards c, so that descent leaves it; eta 0 is svdd on the others."""
    sad, none, svdd = (
        Sad(latent_dim=3, least=0.1, eta=1.0),
        Sad(latent_dim=3, least=0.1, eta=0.0),
        Svdd(latent_dim=3, least=0.1),
    )
    z = torch.randn(6, 3, requires_grad=True)
    c = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    (gradient,) = torch.autograd.grad(sad(z, c).sum(), z)
    along = (gradient * (z - sad.centre)).sum(1)
    assert (along[[1, 4]] < 0).all()
    assert (along[[0, 2, 3, 5]] > 0).all()
    rest = [0, 2, 3, 5]
    torch.testing.assert_close(none(z, c)[rest], svdd(z)[rest])
    assert not none(z, c)[[1, 4]].any()
    torch.testing.assert_close(sad.novelty(z), svdd.away(z))


def test_each_decoder_receives_the_gradient_of_its_own_loss_alone():
    """P129: after a turn of the opponent nothing is left in D1, whose gradient is that of L1, and D2's is that of L2."""
    plan = built("model=usad", *SMALL, "reg.terms.usad.hidden=[16]")
    model = plan.autoencoder.double().train()
    term, x, progress = model.terms["usad"].regularizer, torch.rand(12, 1, 8, 8), 0.5
    turn = Turn("usad", term, model)
    turn.teach(model.objective(x, progress).names, factor=1.0, clip=None)
    assert all(p.grad is None for p in model.own_parameters())
    w = term.weight_at(progress)
    assert w == 0.9  # capped: n is 50
    z = model.encode(x)
    once = model.decode(z)
    second = term.opponent(model.encode(once))
    size = lambda e: e.square().flatten(1).sum(1).mean()  # noqa: E731
    first_loss = (1 - w) * size(x - once) + w * size(x - second)
    own = list(model.own_parameters())
    expected = torch.autograd.grad(first_loss, own, retain_graph=True, allow_unused=True)
    model.objective(x, progress).loss.backward()
    a, b = (
        torch.cat([torch.zeros(1) if g is None else g.flatten() for g in each]) for each in (expected, [p.grad for p in own])
    )
    assert cosine_similarity(a, b, dim=0) > 1 - 1e-9
    torch.testing.assert_close(a, b)
    assert all(p.grad is None for p in term.parameters())
    second_loss = (1 - w) * size(x - term.opponent(z.detach())) - w * size(x - term.opponent(model.encode(once).detach()))
    mine = list(term.opponent.parameters())
    names = {k: v.detach() if isinstance(v, torch.Tensor) else v for k, v in model.objective(x, progress).names.items()}
    told = term.oppose(**{k: names[k] for k in ("x", "x_hat", "z", "encode", "progress")})
    for one, other in zip(torch.autograd.grad(second_loss, mine), torch.autograd.grad(told, mine), strict=True):
        torch.testing.assert_close(one, other)


def test_weights_of_remembered_codes_add_up_to_1_whatever_is_left_out():
    """P130: also where s is above all of them; s = 0 is a plain softmax; a memory of one item writes one code."""
    w = torch.randn(5, 7, 3).softmax(1)
    torch.testing.assert_close(shrunk(w, 0.0), w)
    for s in (0.1, 1 / 7, 0.99):
        kept = shrunk(w, s)
        torch.testing.assert_close(kept.sum(1), torch.ones(5, 3))
        assert ((kept > 0).sum(1) >= 1).all()
        assert not kept[w < s].any() or s == 0.99
    assert ((shrunk(w, 0.99) > 0).sum(1) == 1).all()
    even = shrunk(torch.full((2, 4), 0.25), 0.25)
    torch.testing.assert_close(even, torch.full((2, 4), 0.25))
    term = Memory(latent_dim=3, items=5, shrink=1.0, entropy=0.1)
    term.memory = torch.nn.Parameter(term.memory[:1].detach())
    term.items = 1
    codes = term.code(torch.randn(6, 3))
    torch.testing.assert_close(codes, term.memory.expand(6, 3))
    assert term(torch.randn(6, 3))["penalty"].abs().max() < 1e-12


@pytest.mark.parametrize(("key", "value"), [("items", "1"), ("shrink", "100"), ("shrink", "-1")])
def test_memories_that_say_nothing_are_refused(key, value):
    with pytest.raises(AerunError, match=rf"model.bottleneck.{key}={value}"):
        built("model=memae", f"model.bottleneck.{key}={value}")


def test_the_energy_of_a_mixture_is_that_of_torch_and_depends_on_no_batch_mate():
    """P131."""
    codes = torch.randn(400, 3) @ torch.randn(3, 3) * 1e-3
    fit = Mixture.fitted(codes, 0)
    arrays = {k: v.double() for k, v in fit.arrays().items()}
    found = fit.log_density(codes[:20])
    torch.testing.assert_close(found[7:8], fit.log_density(codes[7:8]))
    assert found.isfinite().all()
    each = MultivariateNormal(arrays["means_"], arrays["covariances_"])
    expected = MixtureSameFamily(Categorical(arrays["weights_"]), each).log_prob(codes[:20])
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


TINY = [*SMALL, "pictures=[]", "trainer.progress=false", "trainer.max_epochs=2", "dataset.normal=[8]"]
ALARMS = {
    "deep_svdd": [],
    "deep_sad": ["dataset.contamination=0.05"],
    "memae": [],
    "usad": ["reg.terms.usad.hidden=[16]", "reg.terms.usad.share=0.25"],
}


@pytest.mark.parametrize("recipe", ALARMS)
def test_a_recipe_stands_beside_pca_and_no_model_and_scores_by_what_it_finds_unusual(recipe, tmp_path):
    told = here(tmp_path, f"model={recipe}", *TINY, *ALARMS[recipe], "hydra.run.dir=run")
    assert told.code == 0, told.err
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {f"anomaly/{who}/auroc" for who in ("model", "pca", "none")} <= results.keys()
    assert ("anomaly/novelty/auroc" in results) == (recipe != "memae")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 17, (30, 1, 8, 8)).astype(np.uint8))
    told = here(tmp_path, "score", "run", "x.npy", "--by", "novelty", "-o", "o.csv")
    if recipe == "memae":
        assert told.code == 2
        assert "needs a part that says itself what it finds unusual: regularizer=sad, regularizer=svdd" in told.err
        return
    assert told.code == 0, told.err
    scores = np.array([float(r["score"]) for r in csv.DictReader((tmp_path / "o.csv").read_text().splitlines())])
    model = aerun.load(tmp_path / "run").autoencoder.double()
    term = model.terms[{"deep_svdd": "svdd", "deep_sad": "sad"}.get(recipe, recipe)].regularizer
    x = torch.from_numpy(np.load(tmp_path / "x.npy")).double() / 16
    with torch.no_grad():
        z = model.encode(x)
        expected = (z - term.centre).square().sum(1) if recipe != "usad" else None
        if expected is None:
            once = model.decode(z)
            errors = [(x - y).square().flatten(1).sum(1) for y in (once, term.opponent(model.encode(once)))]
            expected = 0.75 * errors[0] + 0.25 * errors[1]
    np.testing.assert_allclose(scores, expected.numpy(), rtol=1e-4)


def test_known_anomalies_are_told_to_terms_alone(tmp_path):
    told = here(tmp_path, "model=deep_sad", *TINY, "hydra.run.dir=run")
    assert told.code == 2
    assert "no training sample is known to be an anomaly" in told.err
    told = here(tmp_path, "model=deep_sad", *TINY, "dataset.condition_to=both", "hydra.run.dir=run")
    assert told.code == 2
    assert "dataset.condition_to=terms" in told.err
    told = here(tmp_path, "model=deep_sad", *TINY[:-1], "hydra.run.dir=run")
    assert told.code == 2
    assert "is told 10 classes: dataset.normal=CLASSES" in told.err
