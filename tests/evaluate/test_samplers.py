"""Densities that are fitted to codes: as good as what they begin with, kept whole, and no codes of another model."""

import math

import numpy as np
import pytest
import torch

from aerun.evaluate.samplers import FITS
from aerun.evaluate.samplers.aggregate import Aggregate
from aerun.evaluate.samplers.gaussian import Gaussian
from aerun.evaluate.samplers.second_stage import SecondStage
from tests.shell import here

RUN = ["model=vae", "model.latent_dim=3", "model.arch.hidden=[16]", "trainer.max_epochs=2", "pictures=[]", "evaluate=[]"]


def banana(n):
    """Codes that no Gaussian follows: (x, x^2 + noise), (n, 2)."""
    x = torch.randn(n, dtype=torch.float64)
    return torch.stack([x, x.square() + 0.3 * torch.randn(n, dtype=torch.float64)], 1)


@pytest.fixture(scope="module")
def fits():
    torch.manual_seed(0)
    rows = banana(2000)
    return {name: cls.fitted(rows, 0) for name, cls in FITS.items() if name != "aggregate"}


@pytest.mark.slow
def test_richer_densities_rank_above_a_gaussian(fits):
    """E33's order, where there is something to gain: held-out nats per code."""
    torch.manual_seed(1)
    held = banana(2000)
    nats = {name: float(fit.log_density(held).mean()) for name, fit in fits.items()}
    assert nats["mixture"] > nats["gaussian"] + 0.3
    assert nats["flow"] > nats["gaussian"] + 0.3
    assert nats["second_stage"] > nats["gaussian"] + 0.3
    truth = -(1 + math.log(2 * math.pi)) - math.log(0.3)  # minus the entropy of the law
    assert max(nats.values()) < truth + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaussian", "mixture", "flow", "second_stage"])
def test_draws_follow_the_density_and_the_codes(fits, name):
    torch.manual_seed(2)
    drawn, held = fits[name].draw(4000), banana(4000)
    torch.testing.assert_close(drawn.mean(0), held.mean(0), rtol=0, atol=0.15)
    torch.testing.assert_close(drawn.std(0), held.std(0), rtol=0.12, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaussian", "mixture", "flow", "second_stage"])
def test_what_is_kept_is_the_same_density(fits, name):
    again = FITS[name].restored({k: torch.as_tensor(v.numpy()) for k, v in fits[name].arrays().items()})
    rows = banana(50)
    for fit in (fits[name], again):
        torch.manual_seed(3)
        rows_of = (fit.draw(5), fit.log_density(rows))
        if fit is fits[name]:
            expected = rows_of
    for a, b in zip(rows_of, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_a_second_stage_learns_how_far_codes_are_from_their_means():
    """P71: codes of N(3, 0.5^2) say nothing, so all of their spread is noise: g times the scale of whitening is 0.5."""
    torch.manual_seed(0)
    rows = 3 + 0.5 * torch.randn(4000, 1, dtype=torch.float64)
    fit = SecondStage.fitted(rows, 0)
    torch.manual_seed(1)
    drawn = fit.draw(20_000)
    assert abs(float(drawn.std()) - 0.5) < 0.03
    assert abs(float(drawn.mean()) - 3) < 0.05
    with torch.no_grad():
        spread = float(fit.base.coloured(fit.network.decode(torch.randn(5000, 1)).double()).std())
    assert math.hypot(spread, fit.g * float(fit.base.values.sqrt())) == pytest.approx(0.5, abs=0.03)
    assert fit.g > 0.1  # by squared error alone the best noise would be none


def test_the_posteriors_together_are_their_mixture():
    torch.manual_seed(0)
    means, scales = torch.randn(40, 2).double(), torch.rand(40, 2).double() + 0.2
    p, rows = Aggregate(means, scales), torch.randn(7, 2).double()
    each = torch.distributions.Normal(means, scales).log_prob(rows[:, None]).sum(2)
    torch.testing.assert_close(p.log_density(rows), each.logsumexp(1) - math.log(40))
    drawn = p.draw(40_000)
    torch.testing.assert_close(drawn.var(0), means.var(0, correction=0) + scales.square().mean(0), rtol=0.05, atol=0)


def test_a_code_that_never_varies_has_a_density():
    rows = torch.cat([torch.randn(100, 1), torch.ones(100, 1)], 1).double()
    fit = Gaussian.fitted(rows)
    assert torch.isfinite(fit.log_density(rows)).all()
    u, _ = fit.whitened(rows)
    torch.testing.assert_close(fit.coloured(u), rows)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samplers")
    assert here(folder, *RUN, "hydra.run.dir=run").code == 0
    return folder


def generated(folder, sampler, name):
    told = here(folder, "generate", "run", "--count", "4", "--sampler", sampler, "--output", name)
    return told, dict(np.load(folder / name)) if told.code == 0 else None


def test_a_fitted_sampler_is_kept_and_belongs_to_its_weights(run, monkeypatch):
    first, drawn = generated(run, "flow", "a.npz")
    assert first.code == 0, first
    assert (run / "run" / "sampler_flow.npz").exists()
    monkeypatch.setattr(FITS["flow"], "fitted", None)  # it is not fitted again
    _, again = generated(run, "flow", "b.npz")
    assert all(np.allclose(drawn[k], again[k], atol=1e-5) for k in drawn if drawn[k].dtype.kind == "f")
    arrays = dict(np.load(run / "run" / "sampler_flow.npz"))
    monkeypatch.undo()
    np.savez(run / "run" / "sampler_flow.npz", **{**arrays, "model": arrays["model"][::-1]})
    assert generated(run, "flow", "c.npz")[0].code == 0  # of other weights: fitted to these
    assert (np.load(run / "run" / "sampler_flow.npz")["model"] == arrays["model"]).all()


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: {**a, "mean": np.zeros(1000)},
        lambda a: {**a, "low": np.zeros(2)},
        lambda a: {**a, "covariance": np.full((3, 3), np.nan)},
        lambda a: {k: v for k, v in a.items() if k != "nets.0.0.weight"},
        lambda a: {**a, "nets.0.0.weight": np.zeros((1, 1))},
    ],
    ids=["mean", "range", "nan", "lacking", "shape"],
)
def test_a_damaged_sampler_is_refused_in_words(run, damage):
    path = run / "run" / "sampler_flow.npz"
    if not path.exists():
        generated(run, "flow", "d.npz")
    arrays = dict(np.load(path))
    np.savez(path, **damage(arrays))
    told, _ = generated(run, "flow", "e.npz")
    np.savez(path, **arrays)
    assert told.code == 2
    assert "sampler_flow.npz: damaged: " in told.err
    assert len(told.err.splitlines()) <= 2


def test_a_learned_prior_generates(tmp_path):
    assert here(tmp_path, *RUN, "model/prior=flow", "hydra.run.dir=run").code == 0
    told, drawn = generated(tmp_path, "auto", "new.npz")
    assert told.code == 0
    assert all(np.isfinite(v).all() for v in drawn.values() if v.dtype.kind == "f")
