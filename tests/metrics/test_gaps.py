"""Rows with missing elements: their distances are those of what is there, whatever stands in the gaps."""

import pytest
import torch

from aerun.metrics.conformal import alarms, threshold
from aerun.metrics.moments import Mahalanobis, moments
from aerun.metrics.neighbours import neighbour_distance


@pytest.fixture(scope="module")
def rows():
    """Samples of six numbers that two hidden ones make, and where 2,000 of them have gaps."""
    g = torch.Generator().manual_seed(0)
    mix = torch.randn(2, 6, generator=g, dtype=torch.float64)
    noise = torch.randn(4000, 6, generator=g, dtype=torch.float64)
    x = torch.randn(4000, 2, generator=g, dtype=torch.float64) @ mix + 0.3 * noise
    return x, torch.rand(2000, 6, generator=g) > 0.25


def test_distances_of_rows_with_gaps_are_those_of_what_is_seen(rows):
    x, seen = rows
    known = moments(lambda: iter([x[:1000]]))
    got = Mahalanobis(known)(torch.where(seen[:50], x[1000:1050], 99.0), seen[:50])
    near = neighbour_distance(torch.where(seen[:50], x[1000:1050], -7.0), x[:300], 5, seen[:50])
    covariance = known.shrunk()
    for i, there in enumerate(seen[:50]):
        if not there.any():
            assert got[i] == near[i] == 0
            continue
        away, scale = x[1000 + i, there] - known.mean[there], 6 / int(there.sum())
        torch.testing.assert_close(got[i], scale * away @ torch.linalg.solve(covariance[there][:, there], away))
        closest = (x[:300, there] - x[1000 + i, there]).square().sum(1).sort().values[4]
        torch.testing.assert_close(near[i], (scale * closest).sqrt())
    torch.testing.assert_close(Mahalanobis(known)(x[:9], torch.ones(9, 6, dtype=torch.bool)), Mahalanobis(known)(x[:9]))


def test_gaps_raise_about_as_many_alarms_as_there_are_among_whole_rows(rows):
    x, seen = rows
    raw = Mahalanobis(moments(lambda: iter([x[:1000]])))
    ways = {"mahalanobis": raw, "knn": lambda v, there=None: neighbour_distance(v, x[:1000], 5, there)}
    for who, way in ways.items():
        limit = threshold(way(x[1000:2000]).numpy(), 0.05)
        filled = alarms(way(torch.where(seen, x[2000:], 0.0)).numpy(), limit).mean()
        mended = alarms(way(torch.where(seen, x[2000:], 0.0), seen).numpy(), limit).mean()
        assert filled > 0.2, who
        assert mended < 0.12, who


def test_where_nothing_varies_distances_are_euclidean():
    for n in (1, 5):
        away = Mahalanobis(moments(lambda n=n: iter([torch.full((n, 3), 2.0)])))(torch.tensor([[2.0, 2, 2], [2, 4, 2]]))
        torch.testing.assert_close(away, torch.tensor([0.0, 4.0], dtype=torch.float64))
