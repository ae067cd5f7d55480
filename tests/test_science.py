"""Acceptance on real data: the anchors that pin the whole metric stack."""

import pytest
import torch

from aerun.dataset.splits import Data, Split
from aerun.evaluate.reconstruction import report
from aerun.metrics import pca
from aerun.trained import Trained
from tests.conftest import built, descend, settle


def pca_report(data, k, dataset="digits"):
    plan = built("model=linear", f"model.latent_dim={k}", f"dataset={dataset}")
    return report(Trained(plan.autoencoder.eval(), plan.dataset, torch.device("cpu"), 0, data))


def test_pca_is_scikit_learns(digits):
    from sklearn.decomposition import PCA

    train, test = (s.x.flatten(1).double().numpy() / 16 for s in (digits.train, digits.test))
    for k in (2, 8, 30):
        oracle = PCA(k).fit(train)
        expected = ((oracle.inverse_transform(oracle.transform(test)) - test) ** 2).sum(1).mean()
        assert pca_report(digits, k)["pca/se"] == pytest.approx(expected, rel=1e-4)


def test_randomized_pca_is_the_exact_one(monkeypatch, digits):
    exact = pca_report(digits, 10)["pca/se"]
    monkeypatch.setattr(pca, "_EXACT", 10)
    assert pca_report(digits, 10)["pca/se"] == pytest.approx(exact, rel=1e-4)


def test_pca_of_the_whole_of_digits_has_the_known_errors():
    """science: SE 3.355, 2.407, 1.530, 0.707 for k = 2, 4, 8, 16 on all 1,797 rows; the mean's is the variance, 4.693."""
    data = built().dataset.load()
    whole = Split(torch.cat([s.x for s in (data.train, data.val, data.test)]), None)
    everything = Data(whole, whole, whole)
    for k, expected in ((2, 3.355), (4, 2.407), (8, 1.530), (16, 0.707)):
        found = pca_report(everything, k)
        assert found["pca/se"] == pytest.approx(expected, abs=0.0006)
        assert found["mean/se"] == pytest.approx(4.693, abs=0.0006)


@pytest.mark.parametrize("k", [3, 10])
def test_linear_autoencoder_reaches_pca(digits, k, double):
    """E01, P01: training loss within 1.0001 of PCA's by LBFGS in float64."""
    torch.manual_seed(0)
    plan = built("model=linear", f"model.latent_dim={k}")
    model = plan.autoencoder.double()
    model.start_from(digits.train.x)
    x = model.units(digits.train.x).double()
    settle(model, x, max_iter=3000, history_size=20, tolerance_grad=1e-10)
    flat = x.flatten(1) - x.flatten(1).mean(0)
    values, vectors = torch.linalg.eigh(flat.t() @ flat / len(flat))
    assert model.objective(x, None).loss.item() <= 1.0001 * values[:-k].sum().item()
    basis = torch.linalg.qr(model.arch.decoder_weights()[0].detach())[0]
    cosines = torch.linalg.svdvals(basis.t() @ vectors[:, -k:])
    assert torch.rad2deg(torch.acos(cosines.clamp(max=1))).max() < 0.1


@pytest.mark.parametrize("name", ["linear", "sparse", "contractive"])
def test_no_model_with_a_linear_decoder_beats_pca_on_its_training_data(digits, name):
    """P03: the Eckart-Young bound."""
    torch.manual_seed(0)
    k = 6
    plan = built(f"model={name}", f"model.latent_dim={k}", "reg.lambda=0")
    model = descend(plan.autoencoder, digits, steps=400, lr=5e-3)
    data = Data(digits.train, digits.val, digits.train)
    found = report(Trained(model, plan.dataset, torch.device("cpu"), 0, data))
    assert found["test/se"] >= found["pca/se"] * (1 - 1e-4)


def test_pca_of_mnist_prints_the_published_figure(mnist):
    """P50: 13.87 with 30 components (Hinton & Salakhutdinov 2006, Fig. 2B); the mean's error 52.90."""
    found = pca_report(mnist, 30, "mnist")
    assert found["pca/se"] == pytest.approx(13.87, abs=0.02)
    assert found["mean/se"] == pytest.approx(52.90, abs=0.02)


def test_bce_floor_of_mnist_is_its_known_entropy(mnist):
    """45.53 nats a test image: no model goes below."""
    model = built("model=vae", "dataset=mnist").autoencoder
    floor = model.loss.floor(model.units(mnist.test.x)).mean().item()
    assert floor == pytest.approx(45.53, abs=0.02)


@pytest.mark.slow
def test_halfway_between_codes_a_vae_is_nearer_to_data(digits):
    """P45: distance of decoded midpoints from the nearest training sample over that of decoded ends, the same net.

    1.20 and 1.31 with 30 numbers. With 2, which leave an autoencoder no holes, both are 1.13.
    """
    ratio = {}
    for model in ("ae", "vae"):
        torch.manual_seed(0)
        plan = built(f"model={model}", "model.latent_dim=30", "model/loss=bce", "model.arch.hidden=[128]")
        trained = descend(plan.autoencoder, digits, steps=1500, lr=2e-3)
        with torch.no_grad():
            train = trained.units(digits.train.x).flatten(1)
            z = trained.encode(trained.units(digits.test.x))
            decoded = [trained.decode(code).flatten(1) for code in ((z + z.roll(1, 0)) / 2, z)]
            middle, ends = (torch.cdist(x, train).min(1).values.mean() for x in decoded)
        ratio[model] = float(middle / ends)
    assert ratio["vae"] < 0.97 * ratio["ae"], ratio
