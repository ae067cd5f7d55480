"""A dictionary held against the world that it was learned from."""

import pytest
import torch

from aerun.evaluate import applications
from aerun.preparation.norm import Norm
from aerun.preparation.stored import plain, restored
from tests.conftest import built
from tests.pictures.test_pictures import untrained

WORLD = ("dataset=features", "dataset.noise=0", "dataset.n=600", "model=sparse", "model.latent_dim=120")


def test_the_world_itself_is_found_whole():
    """A code with the true atoms, of a world without overlap: every figure is that of the truth."""
    trained = untrained(
        "dataset=features", "dataset.n=600", "dataset.size=60", "dataset.roots=12", "model=sparse", "model.latent_dim=60"
    )
    atoms, model = trained.dataset.atoms(), trained.autoencoder
    inverse = torch.linalg.pinv(atoms.double()).float()
    bias = trained.data.train.x.mean(0) - (atoms @ trained.dataset.factors().train.x.t()).mean(1)
    with torch.no_grad():
        model.arch.decoder_weights()[0].copy_(atoms)
        model.arch.encoder_weights()[0].copy_(inverse)
        model.arch.encoder[-1].bias.copy_(inverse @ (model.arch.mean - bias) - 0.1)
        model.arch.decoder[0].bias.copy_(bias)
    figures = applications.module("dictionary").evaluate(trained).figures
    found, truth = figures["model"], trained.dataset.factors().test.x > 0
    assert found["mcc_atoms"] == pytest.approx(1, abs=1e-4)
    assert found["f1"] > 0.97
    assert found["missed"] < 0.05
    assert found["unique"] == 1
    assert found["l0"] == pytest.approx(float(truth.sum(1).double().mean()), rel=0.05)
    assert 0.95 < found["gamma"] < 1
    assert found["ev"] > 0.95
    assert figures["random"]["mcc_atoms"] < 0.6
    assert figures["pca"]["ev"] < found["ev"]


def test_the_world_is_as_it_says():
    """Children fire with their parents alone, one at most; atoms are unit vectors, and x their sum."""
    dataset = built(*WORLD).dataset
    drawn, parents, atoms = dataset.draw(), dataset.parents(), dataset.atoms()
    on = drawn.factors > 0
    children = on[:, 24:].view(-1, 24, 4)
    assert (children.sum(2) <= on[:, :24]).all()
    assert (children.sum(2).sum() / on[:, :24].sum()).item() == pytest.approx(0.9, abs=0.03)
    assert parents.tolist() == [-1] * 24 + [i // 4 for i in range(96)]
    torch.testing.assert_close(atoms.norm(dim=0), torch.ones(120))
    rest = drawn.x - drawn.factors @ atoms.t()
    torch.testing.assert_close(rest, rest[:1].expand_as(rest), atol=1e-4, rtol=0)
    assert rest[0].norm().item() == pytest.approx(0.5, abs=1e-3)
    assert on.sum(1).double().mean().item() == pytest.approx(6.4, abs=0.4)


def test_what_has_no_atoms_is_refused():
    deep = built("model=ae", "dataset=wine")
    assert "one affine map" in applications.unsupported_reason("dictionary", deep.autoencoder, deep.dataset)
    assert not applications.unsupported_reason("dictionary", built("model=topk").autoencoder, deep.dataset)


def test_one_scale_brings_the_mean_norm_to_the_root_of_the_size():
    """The mean of norms, not the root of their mean square; a sample's own norm stays its own."""
    x = torch.randn(500, 16) * torch.rand(500, 1) * 9
    norm = Norm(shape=(16,))
    norm.fit(x)
    assert norm(x).norm(dim=1).mean().item() == pytest.approx(4)
    torch.testing.assert_close(norm.inverse(norm(x)), x)
    assert restored(plain(norm)).shape == (16,)
    plan = built("dataset=features", "dataset.prepare=norm", "dataset.n=200", "model=topk")
    stored = plan.dataset.load().train.x
    plan.autoencoder.start_from(stored)
    assert plan.autoencoder.units(stored).norm(dim=1).mean().item() == pytest.approx(32**0.5, rel=1e-5)
