"""The measures of experiments: their value where it is known, and what would fool a wrong one."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from aerun.core.errors import AerunError
from aerun.dataset.splits import Data, Split
from aerun.experiment import gan
from aerun.experiment.measures import measure
from aerun.experiment.measures.modes import coverage
from aerun.experiment.measures.recovery import cosines
from aerun.trained import Trained
from tests.conftest import built

CPU = torch.device("cpu")


def untrained(*overrides, seed=0):
    """A run that has not been trained, started from its data's mean."""
    plan = built(*overrides, f"seed={seed}")
    trained = Trained(plan.autoencoder.eval(), plan.dataset, CPU, seed)
    plan.autoencoder.start_from(trained.data.train.x)
    return trained


class Map(nn.Module):
    """A model that is one function and nothing else, in the place of an autoencoder's."""

    def __init__(self, like, function):
        super().__init__()
        self.facts, self.corruption, self.bottleneck, self.arch = like.facts, like.corruption, like.bottleneck, like.arch
        self.units, self.offers, self.function = like.units, like.offers, function
        self.beside, self.told = like.beside, like.told

    def forward(self, x):
        return self.function(x)


def mapped(function, *overrides):
    plan = built(*overrides)
    return Trained(Map(plan.autoencoder, function), plan.dataset, CPU, 0)


# -- sparse codes --------------------------------------------------------------------------------------------------------


def test_recovery_is_of_atoms_whatever_the_order_and_length_of_columns():
    g = torch.Generator().manual_seed(0)
    atoms = normalize(torch.randn(32, 64, generator=g), dim=0)
    assert torch.allclose(cosines(3 * atoms[:, torch.randperm(64, generator=g)], atoms), torch.ones(64), atol=1e-5)
    assert cosines(-atoms, atoms).max() < 0.9  # a non-negative code cannot turn a column round
    half = cosines(atoms[:, :32], atoms)
    assert (half[:32] > 0.999).all()
    assert (half[32:] < 0.9).all()


def test_sparsity_counts_units_that_are_on_and_is_not_fooled_by_scale():
    """P10: z -> z / c, W -> c W leaves the weighted l1 as it was."""
    trained = untrained("model=sparse", "model.latent_dim=16")
    encoder, decoder = trained.autoencoder.arch.encoder[-1], trained.autoencoder.arch.decoder[0]
    with torch.no_grad():
        encoder.bias[:4] = -1e3  # dead
        encoder.bias[4:8] = 1e3  # always on
    found = measure("sparsity", trained)
    assert found["dead"] >= 4 / 16
    assert 4 <= found["l0"] <= 12
    with torch.no_grad():
        encoder.weight.mul_(0.5)
        encoder.bias.mul_(0.5)
        decoder.weight.mul_(2)
    assert measure("sparsity", trained)["l1"] == pytest.approx(found["l1"], rel=1e-5)


def test_rates_are_means_over_samples_of_each_unit():
    trained = untrained("model=sparse_kl", "model.latent_dim=4", "reg.terms.rate.rho=0.2")
    layer = trained.autoencoder.arch.encoder[-1]
    rates = torch.tensor([0.2, 0.21, 0.19, 0.5])
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.logit(rates))
    found = measure("rates", trained)
    assert found["near"] == 0.75
    assert found["median"] == pytest.approx(0.205, abs=1e-5)
    with pytest.raises(AerunError, match="regularizer=rate"):
        measure("rates", untrained("model=sparse"))


def test_active_units_vary_over_samples():
    trained = untrained("model=linear", "model.latent_dim=4")
    with torch.no_grad():
        trained.autoencoder.arch.encoder_weights()[0][1:] = 0
    assert measure("active_units", trained) == {"count": 1, "share": 0.25}


# -- noise, fields, priors -----------------------------------------------------------------------------------------------


def test_noise_to_spread_is_free_of_scale():
    trained = untrained("model=linear", "model.latent_dim=4")
    before = measure("noise_to_spread", trained)["ratio"]
    with torch.no_grad():
        trained.autoencoder.arch.encoder[-1].weight.mul_(10)
    assert measure("noise_to_spread", trained)["ratio"] == pytest.approx(before, rel=1e-5)


MIXTURE = ("dataset=mixture", "model=denoising", "model.corruption.sigma=0.4")


def test_score_field_of_the_best_denoiser_is_the_score():
    """P15: x + s^2 score(x) is E[clean | x] (Tweedie); a field of s instead of s^2 is not."""
    score = built(*MIXTURE).dataset.score
    found = measure("score_field", mapped(lambda x: x + 0.4**2 * score(x, 0.4), *MIXTURE))
    assert found["cosine"] == pytest.approx(1, abs=1e-5)
    assert max(found["error"], found["far"]) < 1e-5
    wrong = measure("score_field", mapped(lambda x: x + 0.4 * score(x, 0.4), *MIXTURE))
    assert wrong["error"] == pytest.approx(1.5, abs=1e-4)
    still = measure("score_field", mapped(lambda x: x, *MIXTURE))
    assert still["error"] == pytest.approx(1)
    with pytest.raises(AerunError, match="dataset=mixture"):
        measure("score_field", untrained("model=denoising"))


def test_prior_distance_is_null_for_prior_samples_and_large_elsewhere():
    """P33: within 3e-3 of 0 for N(0, I), unbiased."""
    trained = untrained("dataset=factors", "dataset.n=3000", "model=vae", "model/loss=mse", "model.latent_dim=4")
    layer = trained.autoencoder.arch.encoder[-1]
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()  # q(z|x) = N(0, I)
    found = measure("prior_distance", trained)
    assert abs(found["mmd2"]) < 5e-3
    assert abs(found["null"]) < 5e-3
    with torch.no_grad():
        layer.bias[0] = 2.0
    assert measure("prior_distance", trained)["mmd2"] > 0.1


def test_likelihood_lies_below_the_bound():
    trained = untrained("model=vae", "model.latent_dim=4")
    found = measure("likelihood", trained)
    assert found["nll"] < found["elbo_there"]
    assert found["elbo"] == pytest.approx(found["elbo_there"], rel=0.02)  # digits have fewer than 1,000 test samples
    assert 0 < found["rate"] < found["elbo"]
    with pytest.raises(AerunError, match="posterior"):
        measure("likelihood", untrained())


# -- modes ---------------------------------------------------------------------------------------------------------------

GRID = ("dataset=mixture", "dataset.layout=grid25", "dataset.sigma=0.05", "model=vae", "model/loss=mse", "model.latent_dim=2")


def test_coverage_counts_clusters_and_points_near_them():
    trained = untrained(*GRID)
    everything = coverage(trained, trained.data.train.x[:2500])
    assert everything["modes"] == 25
    assert everything["quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.01)
    centres = trained.dataset.centres()
    few = torch.cat([centres[:3].repeat(100, 1), centres[3:5].repeat(19, 1), torch.full((50, 2), 1.0)])
    assert coverage(trained, few) == {"modes": 3, "quality": pytest.approx(338 / 388)}


def test_modes_are_of_reconstructions_and_of_samples():
    identity = mapped(lambda x: x, *GRID)
    identity.autoencoder.decode = lambda z: torch.zeros(len(z), 2)
    identity.autoencoder.code_pass = lambda x: {"prior": torch.distributions.Normal(x, 1.0)}
    found = measure("modes", identity)
    assert found["modes"] == 25
    assert found["sampled_modes"] == 1


@pytest.mark.slow
def test_gan_finds_the_data_but_not_every_mode(monkeypatch):
    """After 3,000 of its 4,000 steps; after 1,500 it has found no mode."""
    monkeypatch.setattr(gan, "_STEPS", 3000)
    found = measure("gan", untrained(*GRID))
    assert 1 <= found["modes"] < 25
    assert found["quality"] > 0.02


# -- images, sequences, labels -------------------------------------------------------------------------------------------


def test_principal_is_one_for_pca_and_more_for_less():
    from aerun.metrics import pca

    trained = untrained("model=linear", "model.latent_dim=5")
    found = pca.fit(lambda: trained.batches(trained.data.train), 5)
    encoder, decoder = trained.autoencoder.arch.encoder[-1], trained.autoencoder.arch.decoder[0]
    with torch.no_grad():
        encoder.weight.copy_(found.components.t())
        decoder.weight.copy_(found.components)
        encoder.bias.zero_()
    exact = measure("principal", trained)
    assert exact["train"] == pytest.approx(1, abs=1e-5)
    assert exact["test"] == pytest.approx(1, abs=1e-5)
    assert exact["angle"] < 0.1
    with torch.no_grad():
        decoder.weight[:, 0] = 0
    assert measure("principal", trained)["train"] > 1.05


def test_stuck_sensor_is_seen_by_one_who_knows_waves_and_not_by_one_who_copies():
    sines = ("dataset=sines", "model=recurrent")
    trained = untrained(*sines, "model.arch.hidden=4", "dataset.n=500")
    found = measure("stuck", trained)
    assert found["pca"] > 0.9
    assert found["shuffled"] == pytest.approx(1, abs=0.1)  # untrained: the code says nothing
    trained.autoencoder.forward = lambda x, mask=None, valid=None: x
    assert measure("stuck", trained)["se"] == pytest.approx(0.5)
    with pytest.raises(AerunError, match="dataset=sines"):
        measure("stuck", untrained("model=ae"))


def test_pooled_statistics_do_not_see_padding():
    trained = untrained("dataset=japanese_vowels", "model=recurrent", "model.arch.hidden=8")
    found = measure("pooled", trained)
    assert found["statistics"] > 0.8
    assert 0 <= found["accuracy"] <= 1
    data = trained.data

    def longer(split):
        """The same with two more steps of nothing behind."""
        return Split(torch.cat([split.x, torch.full((len(split), 2, 12), math.nan)], 1), split.y)

    trained.__dict__["data"] = Data(longer(data.train), longer(data.val), longer(data.test))
    assert measure("pooled", trained)["statistics"] == found["statistics"]


def test_fine_tuning_learns_the_labels_and_only_from_the_training_split():
    trained = untrained("model=contractive", "reg.lambda=0", "model.latent_dim=64")
    weights = [p.clone() for p in trained.autoencoder.parameters()]
    assert measure("fine_tuned", trained)["error"] < 0.5
    assert all(torch.equal(a, b) for a, b in zip(weights, trained.autoencoder.parameters(), strict=True))
    data = trained.data
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    trained.__dict__["data"] = Data(Split(data.train.x, data.train.y[order]), data.val, data.test)
    assert measure("fine_tuned", trained)["error"] > 0.7
    with pytest.raises(AerunError, match="labels"):
        measure("fine_tuned", untrained("dataset=factors"))


def test_labels_spread_over_codes_that_have_none():
    trained = untrained("model=linear", "model.latent_dim=16")
    weight = torch.as_tensor(trained.pca.components, dtype=torch.float32)
    trained.autoencoder.encode = lambda x, **beside: (x.flatten(1) - trained.mean.flatten()) @ weight
    found = measure("spread_labels", trained)
    assert found["acc_100"] == pytest.approx(found["pca_100"], abs=1e-3)
    assert found["acc_100"] > 0.9
    data = trained.data
    y = data.train.y[torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))]
    trained.__dict__["data"] = Data(Split(data.train.x, y), data.val, data.test)
    assert measure("spread_labels", trained)["acc_100"] < 0.3
    with pytest.raises(AerunError, match="labels"):
        measure("spread_labels", untrained("dataset=factors"))
