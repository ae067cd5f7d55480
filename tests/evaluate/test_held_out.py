"""`evaluate=held_out`: the rows without a code are closed forms; the model's is a mean of -log p."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from aerun.evaluate.applications import held_out
from aerun.evaluate.suite import ask
from aerun.metrics.moments import Mahalanobis, moments
from aerun.trained import Trained
from tests.conftest import built


def untrained(*words):
    """A model as it starts, with its data."""
    plan = built(*words)
    return Trained(plan.autoencoder.eval(), plan.dataset, torch.device("cpu"), 0)


def test_the_gaussian_row_is_the_density_of_a_gaussian():
    x = torch.randn(400, 3, dtype=torch.float64) @ torch.tensor([[1.0, 0.4, 0], [0, 0.6, 0], [0.2, 0, 2.0]]).double()
    law = moments(lambda: iter([x]))
    direct = -multivariate_normal(law.mean.numpy(), law.shrunk().numpy()).logpdf(x.numpy())
    np.testing.assert_allclose(Mahalanobis(law).nats(x).numpy(), direct, rtol=1e-9)


def test_pixels_by_themselves_are_coins_with_their_training_frequency():
    trained = untrained("model=vae")
    outcome, _ = ask("held_out", trained)
    x = trained.samples(trained.data.test).double()
    p = trained.samples(trained.data.train).double().mean(0).clamp(1e-3, 1 - 1e-3)
    coins = -(x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1).mean()
    assert outcome.figures["independent"]["nats"] == pytest.approx(float(coins), rel=0.02)  # logits stop at 0.01
    assert set(outcome.figures) == {"model", "independent"}
    assert "270 test samples, 64 codes each" in outcome.note


def test_columns_by_themselves_are_gaussians():
    outcome, _ = ask("held_out", untrained("model=sigma_vae", "dataset=wine"))
    trained = untrained("model=sigma_vae", "dataset=wine")
    x, base = (trained.samples(s).double() for s in (trained.data.test, trained.data.train))
    variance = base.var(0, unbiased=False)
    each = ((x - base.mean(0)).square() / variance + (2 * math.pi * variance).log()).sum(1) / 2
    assert outcome.figures["independent"]["nats"] == pytest.approx(float(each.mean()), rel=1e-5)
    assert outcome.figures["gaussian"]["nats"] < outcome.figures["independent"]["nats"]  # wine's columns go together


@pytest.mark.parametrize(
    ("words", "why"),
    [(["model=ae"], "needs a code with a posterior"), (["model=vae", "model/loss=l1"], "needs a loss in nats")],
)
def test_what_has_no_likelihood_says_why(words, why):
    plan = built(*words)
    assert why in held_out.unsupported_reason(plan.autoencoder, plan.dataset)
