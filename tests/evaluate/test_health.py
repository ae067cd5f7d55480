"""What a run says of its own codes: figures in closed form, and alarms that sound where they should and nowhere else."""

import json
import math

import pytest
import torch

from aerun.dataset.splits import Data, Split
from aerun.evaluate import codes, health
from aerun.trained import Trained
from tests.conftest import built, descend
from tests.shell import here

CPU = torch.device("cpu")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def trained_on(data, *overrides, **settings):
    """A model trained on `data` in a plain loop."""
    plan = built(*overrides)
    model = descend(plan.autoencoder, data, **settings)
    return Trained(model, plan.dataset, CPU, 0, data)


def named(said):
    """The alarms' names."""
    return [s.partition(":")[0] for s in said]


# -- codes ---------------------------------------------------------------------------------------------------------------


def test_ranks_are_those_of_the_spectrum():
    """Ten directions alike: 10; three of ten: 3; a constant code: 0; in closed form for two variances."""
    assert codes.statistics(random(5000, 10))["effective_rank"] == pytest.approx(9.99, abs=0.01)
    three = codes.statistics(random(5000, 3) @ random(3, 10, seed=1))
    assert 2 < three["effective_rank"] < 3
    assert codes.statistics(torch.full((50, 4), 3.0))["effective_rank"] == 0
    z = torch.tensor([[3.0, 0], [-3, 0], [0, 1], [0, -1]])
    found = codes.statistics(z)
    assert found["effective_rank"] == pytest.approx(math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)))
    assert found["participation"] == pytest.approx(1 / (0.81 + 0.01))


def test_a_unit_is_dead_if_it_is_never_on_and_active_if_it_varies():
    z = torch.zeros(100, 5)
    z[:, 1] = 2.0  # on, but always the same
    z[0, 2] = 0.5  # on once
    z[:, 3] = torch.linspace(-1, 1, 100)
    found = codes.statistics(z)
    assert found["dead"] == pytest.approx(2 / 5)
    assert found["active"] == 1
    assert found["l0"] == pytest.approx(1 + 0.01 + 1)
    assert found["units"] == 5


def test_units_of_a_spatial_code_are_its_channels():
    z = random(50, 4, 3, 3)
    z[:, 0] = 0
    found = codes.statistics(z)
    assert found["dead"] == 0.25
    assert found["l0"] == pytest.approx(3, abs=0.02)
    flat = codes.statistics(z.permute(0, 2, 3, 1).reshape(-1, 4))
    assert found == pytest.approx(flat)


def test_correlation_and_total_correlation_in_closed_form():
    """P37: two units with correlation r: -1/2 log(1 - r^2); independent ones 0; a copy has none."""
    x = random(200_000, 3)
    r = 0.8
    z = torch.stack([x[:, 0], 5 * (r * x[:, 0] + math.sqrt(1 - r * r) * x[:, 1]) + 2], 1)
    found = codes.statistics(z)
    assert found["correlation"] == pytest.approx(r, abs=5e-3)
    assert found["total_correlation"] == pytest.approx(-0.5 * math.log(1 - r * r), abs=0.01)
    assert codes.statistics(x)["correlation"] < 0.01
    assert codes.statistics(x)["total_correlation"] < 1e-3
    assert "total_correlation" not in codes.statistics(torch.cat([x[:1000], x[:1000, :1]], 1))


def test_total_correlation_is_that_of_the_regularizer():
    """P37."""
    from aerun.regularizer.tc import gaussian_tc

    z = random(500, 4) @ random(4, 4, seed=1)
    assert codes.statistics(z)["total_correlation"] == pytest.approx(float(gaussian_tc(z)), rel=1e-4)


def test_many_units_are_judged_by_their_samples():
    z = random(300, 3) @ random(3, 1500, seed=1)
    found = codes.statistics(z)
    assert found["effective_rank"] == pytest.approx(codes.statistics(z[:, :1000])["effective_rank"], rel=0.1)
    assert "correlation" not in found


def test_dimension_of_codes_is_that_of_their_surface():
    """P47: three numbers behind ten units; not their number; a codebook has none."""
    u = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = torch.cat([u, (2 * u).sin(), (u[:, :1] * u[:, 1:2])], 1) @ random(7, 10)
    found = codes.dimension(z)
    assert 2.5 < found["dimension_two_nn"] < 3.5
    assert 2.4 < found["dimension_mle"] < 3.5
    assert codes.dimension(random(20, 4)[torch.arange(2000) % 20]) == {}


def test_rates_are_the_kl_of_each_unit():
    """P25: against the closed form, and their sum is what the objective is charged."""
    plan = built("model=vae", "model.latent_dim=6")
    model, x = plan.autoencoder.double().eval(), torch.rand(40, 64, dtype=torch.float64).reshape(40, *plan.facts.shape)
    mu, lv = model.arch.encode(x).chunk(2, 1)
    kl = codes.rates(model, x, None)
    torch.testing.assert_close(kl, 0.5 * (mu.square() + lv.exp() - lv - 1))
    told = codes.told_rates(kl.mean(0), 6)
    values = dict(zip(model.keys(False), model.objective(x, None).parts, strict=True))
    assert told["kl"] == pytest.approx(float(values["reg/kl"]))
    assert [told[f"kl/{j}"] for j in range(6)] == pytest.approx(kl.mean(0).tolist())


def test_figures_are_of_validation_and_training_samples_and_leave_chance_alone(digits):
    trained = trained_on(digits, "model=vae", "model/loss=mse", "model.latent_dim=4", "reg.lambda=0.1", steps=50)
    state = torch.get_rng_state()
    found = health.examine(trained)
    assert torch.equal(torch.get_rng_state(), state)
    assert found == health.examine(trained)
    x, mean = trained.samples(digits.val), trained.mean
    with torch.no_grad():
        errors = [
            ((trained.autoencoder(v) - v).square().sum(), (v - mean).square().sum()) for v in (x, trained.samples(digits.train))
        ]
    assert found["fit/val_fvu"] == pytest.approx(float(errors[0][0] / errors[0][1]), rel=1e-4)
    assert found["fit/train_fvu"] == pytest.approx(float(errors[1][0] / errors[1][1]), rel=1e-4)
    assert found["codes/samples"] == len(digits.val)
    assert all(math.isfinite(v) for v in found.values())


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=conv",),
        ("model=vqvae",),
        ("model=topk",),
        ("dataset=japanese_vowels", "model=recurrent", "model.arch.hidden=8"),
        ("dataset=wine",),
        ("dataset=mixture", "model.latent_dim=1"),
    ],
    ids=lambda o: o[0],
)
def test_every_kind_of_code_is_examined(overrides):
    plan = built(*overrides)
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    found = health.examine(Trained(plan.autoencoder.eval(), plan.dataset, CPU, 0, data))
    assert all(math.isfinite(v) for v in found.values()), found
    health.warnings(plan.autoencoder, found)


# -- alarms --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memorization_is_told_and_plain_learning_is_not(digits):
    """P39: 24 random points through one number are known by heart (C09); digits through 8 numbers are not."""
    x = random(48, 20).float()
    g = Data(Split(x[:24], None), Split(x[24:36], None), Split(x[36:], None))
    settings = ("dataset=factors", "model.latent_dim=1", "model.arch.hidden=[256,256]")
    known = trained_on(g, *settings, steps=3000, lr=2e-3, batch=24)
    found = health.examine(known)
    assert found["fit/train_fvu"] < 0.01
    assert found["fit/val_fvu"] > 1
    assert "Memorization" in named(health.warnings(known.autoencoder, found))
    plain = trained_on(digits, "model=ae", "model.latent_dim=8", "model.arch.hidden=[64]", steps=600)
    found = health.examine(plain)
    assert found["fit/val_fvu"] < 0.5  # a gap alone is no alarm: what is left of the variance is small in both splits
    assert health.warnings(plain.autoencoder, found) == []


def test_a_model_that_answers_with_training_samples_is_seen_to(digits):
    """copy: 0 for the nearest training sample, 1 for the sample itself."""
    plan = built("model=ae")
    trained = Trained(plan.autoencoder, plan.dataset, CPU, 0, digits)
    base = trained.samples(digits.train)

    def nearest(x, mask=None, valid=None):
        return base[torch.cdist(x.flatten(1), base.flatten(1)).argmin(1)]

    plan.autoencoder.start_from(digits.train.x)
    plan.autoencoder.forward = nearest
    assert health.examine(trained)["fit/copy"] == pytest.approx(0, abs=1e-4)
    plan.autoencoder.forward = lambda x, mask=None, valid=None: x
    assert health.examine(trained)["fit/copy"] == pytest.approx(1, abs=1e-4)


VAE = ("model=vae", "model.latent_dim=20")


def test_posterior_collapse_is_told_with_its_cause(digits):
    """P29: a mean-reduced loss leaves the summed KL no rival: no active unit."""
    settings = (*VAE, "model.loss.reduction=mean")
    trained = trained_on(digits, *settings, steps=300, lr=3e-3)
    found = health.examine(trained)
    assert found["codes/active"] == 0
    assert found["codes/kl"] < 0.1
    said = health.warnings(trained.autoencoder, found)
    assert named(said) == ["PosteriorCollapse"]  # and not the constant output that follows from it
    assert "weigh 64 times as much: use sum" in said[0]


def test_a_code_that_is_used_is_not_called_collapsed(digits):
    """P29."""
    trained = trained_on(
        digits, "model=vae", "model.latent_dim=8", "reg.lambda=0.1", "model.arch.hidden=[64]", steps=500, lr=3e-3
    )
    found = health.examine(trained)
    assert found["codes/active"] == 8
    assert health.warnings(trained.autoencoder, found) == []


def untouched(*overrides):
    plan = built(*overrides)
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    return Trained(plan.autoencoder.eval(), plan.dataset, CPU, 0, data)


def test_a_constant_output_is_told():
    trained = untouched("model=ae")
    with torch.no_grad():
        trained.autoencoder.arch.decoder[0].weight.zero_()
    found = health.examine(trained)
    assert found["fit/motion"] == pytest.approx(0, abs=1e-4)
    assert found["fit/val_fvu"] == pytest.approx(1, abs=0.05)
    assert named(health.warnings(trained.autoencoder, found)) == ["Collapse"]


def test_a_code_of_copies_is_told(digits):
    trained = trained_on(digits, "model=linear", "model.latent_dim=16", steps=10)
    encoder, decoder = trained.autoencoder.arch.encoder[-1], trained.autoencoder.arch.decoder[0]
    with torch.no_grad():
        first = torch.linalg.svd((digits.train.x.flatten(1) / 16 - trained.mean.flatten()).float())[2][0]
        encoder.weight.copy_(first.expand(16, -1))
        decoder.weight.copy_((first / 16)[:, None].expand(-1, 16))
    found = health.examine(trained)
    assert found["codes/effective_rank"] == pytest.approx(1, abs=1e-3)
    assert found["codes/correlation"] == pytest.approx(1, abs=1e-3)
    assert named(health.warnings(trained.autoencoder, found)) == ["CodeCollapse"]


def test_dead_units_are_told_with_what_revives_them():
    for model, way in (("topk", "regularizer=revival"), ("sparse", "lower reg.lambda")):
        trained = untouched(f"model={model}", "model.latent_dim=64")
        with torch.no_grad():
            trained.autoencoder.arch.encoder[-1].weight[:48] = 0
            trained.autoencoder.arch.encoder[-1].bias[:48] = -1.0
        found = health.examine(trained)
        assert found["codes/dead"] >= 0.75
        found["fit/motion"], found["fit/val_fvu"] = 1.0, 0.1  # as if it had been trained
        said = health.warnings(trained.autoencoder, found)
        assert named(said) == ["DeadUnits"]
        assert way in said[0]


def test_a_run_writes_its_figures_and_says_what_is_wrong(tmp_path):
    """On the command line: one sentence in the log, figures in results.json."""
    told = here(tmp_path, "model=vae", "model.loss.reduction=mean", "trainer.max_epochs=3", "pictures=[]", "hydra.run.dir=run")
    assert told.code == 0, told.out
    assert "PosteriorCollapse: " in (tmp_path / "run" / "aerun.log").read_text()
    found = json.loads((tmp_path / "run" / "results.json").read_text())
    assert found["codes/active"] == 0
    assert {"codes/kl", "codes/effective_rank", "fit/gap", "fit/val_fvu", "seconds/health"} <= set(found)


def test_advice_is_what_the_arch_can_do():
    """A recurrent decoder cannot be tied."""
    fooled = "reg.terms.l1.norm_weighted=false"
    (said,) = health.scale_shift(built("model=recurrent", "dataset=sines", "regularizer=l1", fooled).autoencoder, 2.0)
    assert "tied" not in said
    assert "regularizer=[l1,weight_l2]" in said
    (said,) = health.scale_shift(built("model=sparse", fooled).autoencoder, 2.0)
    assert "model.arch.tied=true" in said
