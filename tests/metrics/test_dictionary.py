"""What a dictionary explains, and how near it is to the true one: figures that common shortcuts get wrong."""

import pytest
import torch

from aerun.metrics.dictionary import Explained, closest, cosines, found, mcc
from aerun.metrics.median import geometric_median


@pytest.fixture(autouse=True)
def _seeded(double):
    torch.manual_seed(0)


def explained(x, x_hat):
    whole = Explained()
    for a, b in zip(x.split(700), x_hat.split(700), strict=True):
        whole.add(a, b)
    return whole.figures()


def test_what_is_explained_counts_a_bias_and_not_the_mean():
    """P108: neither the variance of the residual, which a bias leaves alone, nor a share of the samples' own size."""
    x = 3 + torch.randn(20_000, 8) * torch.linspace(0.2, 2, 8)
    bias = 0.4 * torch.ones(8)
    x_hat = 0.5 * (x - 3) + 3 + bias
    spread = (x - x.mean(0)).square().sum()
    found = explained(x, x_hat)["ev"]
    assert found == pytest.approx(float(1 - (x - x_hat).square().sum() / spread))
    assert found < 0.75 - 0.05  # that of the residual's variance
    assert found < float(1 - (x - x_hat).square().sum() / x.square().sum()) - 0.2  # uncentred


@pytest.mark.parametrize("mean", [0.0, 3.0, 50.0])
def test_shrinkage_is_that_about_the_mean(mean):
    """P109."""
    x = mean + torch.randn(5000, 6)
    assert explained(x, x.mean(0) + 0.6 * (x - x.mean(0)))["gamma"] == pytest.approx(0.6, abs=1e-6)


def test_an_atom_that_is_there_twice_counts_once():
    """P110: a greedy search for the nearest true atom would find it twice."""
    truth = torch.linalg.qr(torch.randn(16, 16))[0]
    twice = torch.cat([truth[:, :8], -truth[:, :8]], 1)
    assert mcc(cosines(twice, truth)) == pytest.approx(0.5, abs=0.15)
    assert mcc(cosines(truth[:, torch.randperm(16)], truth)) == pytest.approx(1)
    assert mcc(cosines(torch.randn(32, 120), torch.randn(32, 120))) < 0.6
    assert mcc(cosines(truth[:, :4], truth)) == pytest.approx(4 / 16)  # the others are not there
    assert closest(twice).min() == pytest.approx(1)
    on = torch.rand(500, 8) > 0.7
    figures = found(torch.cat([on, on], 1), torch.cat([on, on], 1), cosines(twice, truth), None)
    assert figures == {"unique": 0.5, "f1": 1.0, "precision": 1.0, "recall": 1.0}


def test_a_parent_that_is_off_where_its_child_fires_is_missed():
    """Feature 1 is a child of 0; the unit of 0 is off for a quarter of the samples that both are in."""
    truth = torch.zeros(100, 3, dtype=torch.bool)
    truth[:80, 0] = truth[:40, 1] = truth[50:, 2] = True
    on = truth.clone()
    on[:10, 0] = False
    figures = found(on, truth, torch.eye(3), torch.tensor([-1, 0, -1]))
    assert figures["missed"] == 0.25
    assert figures["recall"] == pytest.approx((70 / 80 + 1 + 1) / 3)
    assert figures["precision"] == 1
    assert "missed" not in found(on, truth, torch.eye(3), torch.tensor([-1, -1, -1]))
    assert found(torch.zeros_like(on), truth, torch.eye(3), None) == {}


def test_the_geometric_median_is_not_moved_by_stray_points():
    x = torch.randn(400, 3)
    middle = geometric_median(x)
    x[:40] = 1000.0
    assert (geometric_median(x) - middle).norm() < 0.5
    slope = torch.nn.functional.normalize(geometric_median(x) - x, dim=1).sum(0)
    assert slope.norm() < 1e-3  # the sum of distances is least there
