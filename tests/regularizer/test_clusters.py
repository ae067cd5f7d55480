"""P89, P90: clusters of codes, by a penalty and by the prior."""

import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from aerun.autoencoder import Autoencoder
from aerun.compose import Composition
from aerun.core.errors import AerunError
from aerun.model.prior.mixture import Mixture
from aerun.parts import Term
from aerun.regularizer.clusters import Clusters, target
from tests.conftest import built, descend

pytestmark = pytest.mark.usefixtures("double")


def blobs(n=1000, d=3, spread=0.15):
    """Codes of five separated Gaussians, and which one each is of."""
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(5, d), dim=1) * 3
    which = torch.randint(5, (n,))
    return centres[which] + spread * torch.randn(n, d), which


@torch.no_grad()
def begun(codes, count=5):
    term = Clusters(latent_dim=codes.shape[1], count=count).double()
    term.start_from(codes)
    return term


def test_targets_are_shares_and_a_uniform_one_stays():
    """P89: rows of p add up to 1; where all clusters are alike nothing moves and nothing is asked."""
    q = torch.rand(50, 4).softmax(1)
    p = target(q, q.mean(0))
    torch.testing.assert_close(p.sum(1), torch.ones(50))
    uniform = torch.full((6, 4), 0.25)
    torch.testing.assert_close(target(uniform, uniform.mean(0)), uniform)
    term = Clusters(latent_dim=2, count=4).double()
    with torch.no_grad():
        term.centres.copy_(torch.tensor([[1.0, 0.0]]).expand(4, 2))
    z = torch.randn(6, 2, requires_grad=True)
    value = term.eval()(z)
    value.sum().backward()
    assert value.abs().max() < 1e-12
    assert z.grad.abs().max() < 1e-12


def test_masses_of_batches_are_those_of_the_data():
    """P89: with the running mean, targets are near those of all data; with the mass of a batch of 64 they are not."""
    codes, _ = blobs(4000, spread=0.9)
    term = begun(codes).train()
    q = term.log_shares(codes).detach().exp()
    right = target(q, q.mean(0))
    off = []
    for i in torch.randint(4000, (300, 64)):
        term(codes[i])
        off.append((target(q[i], q[i].mean(0)) - right[i]).abs().sum(1).mean())
    running = (target(q, term.masses) - right).abs().sum(1).mean()
    assert running < 0.03
    assert torch.stack(off).mean() > 3 * running
    before = term.masses.clone()
    term.eval()(codes[:64])
    torch.testing.assert_close(term.masses, before)


def test_clusters_start_at_those_of_the_codes_and_sharpen():
    codes, which = blobs()
    term = begun(codes)
    assert adjusted_rand_score(which, term.assign(codes)) > 0.99
    z = codes.clone().requires_grad_()
    term(z).mean().backward()
    torch.testing.assert_close(term.masses.sum(), torch.tensor(1.0))
    with torch.no_grad():
        assert term.watch(codes - 0.2 * len(z) * z.grad)["confidence"] > term.watch(codes)["confidence"]
    assert term.centres.grad is None or term.centres.grad.abs().max() > 0
    with pytest.raises(AerunError, match=r"clusters\.count=2000: more than"):
        begun(codes, 2000)
    with pytest.raises(AerunError, match="codes that are vectors"):
        term(torch.randn(4, 3, 2, 2))


def test_a_mixture_that_starts_from_codes_finds_separated_clusters():
    """P90: and far from all of them it still names one, not all alike."""
    codes, which = blobs()
    prior = Mixture(latent_dim=3, components=5, start="fit").double()
    with torch.no_grad():
        prior.prepare(len(codes), None, lambda: codes)
    assert adjusted_rand_score(which, prior.assign(codes)) > 0.99
    far = 1e3 * codes[:20]
    shares = prior(far).log_components(far).softmax(1)
    assert shares.amax(1).min() > 0.99


def test_clusters_want_a_run_to_begin_with():
    for words, said in (
        (["model=idec"], "regularizer=clusters needs codes of a trained model to begin with: add model.init_from=RUN"),
        (["model=vade"], "model.init_from=RUN"),
        (["model=ae", "regularizer=clusters", "reg.terms.clusters.count=1"], r"clusters\.count=1"),
    ):
        with pytest.raises(AerunError, match=said):
            built(*words)


def test_a_model_that_begins_with_a_run_has_clusters_of_its_codes(tmp_path, digits):
    """start_from takes them from the codes that were loaded; a term that weighs nothing has none."""
    before = descend(built("model=ae", "model.arch.hidden=[32]").autoencoder, digits, steps=20)
    model = compose_clusters(before)
    model.start_from(digits.train.x)
    z = model.encode(model.units(digits.train.x[:50]))
    assert len(model.assign(z).unique()) > 4
    assert compose_clusters(before, weight=0.0).assign(z) is None
    assert before.assign(z) is None


def compose_clusters(before, weight=1.0):
    """The same model with clusters, before they are begun."""
    composition = Composition(
        before.arch,
        before.bottleneck,
        before.corruption,
        before.loss,
        {"clusters": Term(Clusters(latent_dim=8, count=10), weight, 0.0)},
        1.0,
    )
    return Autoencoder(composition, before.facts, before.preparation).float()
