"""P134-P136: measures of scores of steps against labelled events."""

import numpy as np
import pytest

from aerun.evaluate.applications import events
from aerun.metrics.labelled_steps import Labelled, affiliation, average_precision, best_f1, range_based, spans, vus_pr


def labelled(n, *ranges, breaks=()):
    truth = np.zeros(n, dtype=bool)
    for a, b in ranges:
        truth[a:b] = True
    return Labelled(truth, np.searchsorted(np.array(breaks), np.arange(n), side="right"))


def flags(n, *ranges):
    return labelled(n, *ranges).truth


def test_without_slopes_the_volume_is_average_precision():
    """P134."""
    steps = labelled(5000, (1000, 1200))
    score = np.random.default_rng(0).normal(size=5000) + 1.5 * steps.truth
    assert vus_pr(score, steps, 0) == pytest.approx(average_precision(score, steps.truth))


@pytest.mark.parametrize("length", [0, 20, 50])
def test_a_perfect_score_has_the_whole_volume_and_a_near_miss_more_of_it_than_a_far_one(length):
    """P134."""
    steps = labelled(1000, (200, 220), (600, 640), breaks=(400,))
    assert vus_pr(steps.truth.astype(float), steps, length) == pytest.approx(1)
    near, far = (vus_pr(flags(1000, *ranges).astype(float), steps, length) for ranges in ([(222, 230)], [(300, 308)]))
    assert (near > far + 0.005) == (length > 0)


def test_slopes_stay_within_their_piece():
    steps = labelled(100, (40, 50), breaks=(50,))
    with_break = vus_pr(flags(100, (50, 60)).astype(float), steps, 20)
    without = vus_pr(flags(100, (50, 60)).astype(float), labelled(100, (40, 50)), 20)
    assert with_break < without


def test_affiliation_is_exact_for_what_is_exact_half_for_chance_and_falls_with_distance():
    """P135."""
    steps = labelled(3000, (500, 520), (1500, 1510), (2500, 2540))
    assert affiliation(steps.truth, steps) == (1.0, 1.0)
    draw = np.random.default_rng(0)
    by_chance = [affiliation(draw.random(3000) < 0.02, steps)[0] for _ in range(40)]
    assert np.mean(by_chance) == pytest.approx(0.5, abs=0.02)
    misses = [affiliation(flags(3000, (a, a + 5)), steps) for a in (525, 600, 900)]
    assert misses[0][0] > misses[1][0] > misses[2][0]
    assert misses[0][1] > misses[1][1] > misses[2][1] > 0  # recall too, of one of three events
    assert np.isnan(affiliation(np.zeros(3000, dtype=bool), steps)[0])
    assert affiliation(np.zeros(3000, dtype=bool), steps)[1] == 0


def test_ranges_are_judged_whole():
    steps = labelled(100, (10, 20), (50, 60))
    assert range_based(steps.truth, steps) == (1.0, 1.0)
    assert range_based(flags(100, (10, 15)), steps) == (1.0, 0.25)
    assert range_based(flags(100, (10, 12), (14, 17)), steps) == (1.0, 0.125)  # two pieces of one event count half
    assert range_based(flags(100, (15, 25)), steps) == (0.5, 0.25)


@pytest.mark.parametrize(("length", "share"), [(100, 0.04), (500, 0.2)])
def test_random_scores_have_the_f1_of_alarms_everywhere(length, share):
    """P136. What is called f1 is of single steps."""
    truth = flags(10_000, *[(1000 + 2000 * k, 1000 + 2000 * k + length) for k in range(4)])
    score = np.random.default_rng(0).random(10_000)
    assert best_f1(score, truth) == pytest.approx(2 * share / (1 + share), abs=0.02)
    assert [name for name in events.METRICS if "f1" in name] == ["f1_oracle"]


def adjusted_f1(score, truth):
    """The largest point-adjusted F1: an event counts as found, with all its steps, once one of them is."""
    events_of, best = spans(truth), 0.0
    for limit in (score[a:b].max() for a, b in events_of):
        above = score >= limit
        for a, b in events_of:
            above[a:b] = above[a:b].any()
        best = max(best, 2 * (above & truth).sum() / (above.sum() + truth.sum()))
    return best


@pytest.mark.parametrize(("length", "said"), [(10, 0.11), (100, 0.83), (500, 0.99)])
def test_point_adjusted_f1_would_praise_random_scores(length, said):
    """The figures that the guide gives for why it is not offered."""
    truth = flags(10_000, *[(1000 + 2000 * k, 1000 + 2000 * k + length) for k in range(4)])
    found = [adjusted_f1(np.random.default_rng(s).random(10_000), truth) for s in range(20)]
    assert np.mean(found) == pytest.approx(said, abs=0.01)
