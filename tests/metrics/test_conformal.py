"""Conformal thresholds, p-values and false discovery rates: what they promise holds on new normal data, few and tied scores
too.
"""

import math

import numpy as np
import pytest

from aerun.metrics.conformal import alarm_limit, alarms, discoveries, needed, p_values, shortage, support, threshold

REPEATS = 2000


def rate(n, alpha, draw):
    """Share of false alarms: one new score against n calibration scores, many times over."""
    g = np.random.default_rng(n)
    x = draw(g, (REPEATS, n + 1))
    return np.mean([row[0] > alarm_limit(threshold(row[1:], alpha)) for row in x])


DRAWS = {
    "gamma": lambda g, size: g.gamma(1.0, 1.0, size),
    "ties": lambda g, size: g.integers(0, 4, size).astype(float),
    "below zero": lambda g, size: g.normal(size=size) - 5,
    "constant": lambda g, size: np.zeros(size),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize(("n", "alpha"), [(20, 0.05), (20, 0.01), (30, 0.05), (99, 0.01), (7, 0.2)])
def test_false_alarms_are_at_most_what_was_asked_for(n, alpha, draw):
    """P125: ties included; a quantile of the n scores would raise .074 at n = 30, alpha = .05."""
    assert rate(n, alpha, DRAWS[draw]) <= alpha + 3 * (alpha * (1 - alpha) / REPEATS) ** 0.5


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (39, 0.05), (99, 0.01), (9, 0.5)])
def test_it_is_the_score_of_rank_n_plus_one(n, alpha):
    scores = np.random.default_rng(0).permutation(n).astype(float)
    rank = math.ceil(round((n + 1) * (1 - alpha), 9))
    assert threshold(scores, alpha) == np.sort(scores)[rank - 1]


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3])
def test_too_few_raise_no_alarm_and_say_how_many_are_needed(alpha):
    n = needed(alpha)
    assert math.isfinite(threshold(np.arange(n), alpha))
    assert shortage(n, alpha) == ""
    assert threshold(np.arange(n - 1), alpha) == math.inf
    assert f"needs at least {n:,} normal validation samples, and there are {n - 1:,}" in shortage(n - 1, alpha)
    assert threshold(np.arange(n), 0) == math.inf
    assert threshold(np.arange(n), 1) == -math.inf


def test_p_values_and_thresholds_are_one_rule():
    """p <= alpha exactly where there is an alarm, for scores that are tied, or next to tied, with calibration scores too."""
    g = np.random.default_rng(0)
    calibration = g.integers(1, 12, 37).astype(float)
    new = np.concatenate([calibration * k for k in (1, 1 + 1e-7, 1 - 1e-7, 1 + 1e-4, 1 - 1e-4)])
    p = p_values(calibration, new)
    assert p.min() >= 1 / 38
    assert p.max() <= 1
    for alpha in (*np.arange(1, 39) / 38, 0.05, 0.1):
        np.testing.assert_array_equal(p <= alpha + 1e-12, new > alarm_limit(threshold(calibration, alpha)))


def test_discoveries_are_false_as_rarely_as_asked():
    """P126: 10 % of 300 samples are anomalies; with enough calibration scores most of these are found too."""
    g, false, power = np.random.default_rng(0), [], []
    for _ in range(200):
        scores = g.normal(size=300)
        scores[:30] += 4
        found = discoveries(p_values(g.normal(size=600), scores), 0.1)
        false.append(found[30:].sum() / max(1, found.sum()))
        power.append(found[:30].mean())
    assert np.mean(false) <= 0.1 + 3 * np.std(false) / 200**0.5
    assert np.mean(power) > 0.8


def test_what_a_rate_needs_is_said():
    assert support(1000, 50, 0.1) == ""
    assert "100 validation scores cannot support fewer than 100 anomalies among 1,000 samples" in support(100, 1000, 0.1)
    assert "9,999 are needed" in support(100, 1000, 0.1)
    assert "any anomaly" in support(3, 10, 0.1)
    assert not discoveries(p_values(np.arange(3.0), np.full(10, 9.0)), 0.1).any()
    assert discoveries(np.zeros(0), 0.1).shape == (0,)


def test_scores_that_are_no_numbers_count_as_infinite():
    """Nothing is known to be ordinary about them; among calibration scores they raise the threshold."""
    scores = np.array([np.nan, np.inf, 3.0, -np.inf])
    assert alarms(scores, threshold(np.arange(19.0), 0.05)).tolist() == [True, True, False, False]
    np.testing.assert_allclose(p_values(np.arange(19.0), scores), [0.05, 0.05, 0.85, 1])
    assert threshold(np.array([1.0, np.nan, 2.0]), 0.25) == np.inf
    assert not alarms(scores, np.inf).any()


@pytest.mark.parametrize("share", [1e-9, 1e-300, 5e-324])
def test_shares_next_to_nothing_are_told_as_any(share):
    assert threshold(np.arange(9.0), share) == np.inf
    assert "and there are 9" in shortage(9, share)
    assert "any anomaly" in support(9, 10, share)
