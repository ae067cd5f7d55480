"""The tail of scores behind what was seen."""

import numpy as np
import pytest
from scipy.stats import genpareto

from aerun.metrics.tails import needed, tail


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3, 0.8])
def test_the_limit_is_exceeded_as_often_as_asked(shape):
    exceeded = [
        genpareto.sf(tail(genpareto.rvs(shape, scale=2, size=20_000, random_state=s)).limit(1e-3), shape, scale=2)
        for s in range(5)
    ]
    assert np.mean(exceeded) == pytest.approx(1e-3, rel=0.3)


def test_the_fit_is_that_of_greatest_likelihood():
    scores = genpareto.rvs(0.3, size=20_000, random_state=0)
    found = tail(scores)
    shape, _, scale = genpareto.fit(np.sort(scores)[-400:] - found.start, floc=0)
    assert (found.shape, found.scale) == (pytest.approx(shape, abs=1e-3), pytest.approx(scale, rel=1e-3))


def test_few_scores_have_no_tail_and_equal_ones_a_limit_next_to_them():
    assert tail(np.arange(needed() - 1.0)) is None
    assert tail(np.ones(5000)).limit(1e-3) == pytest.approx(1)
    bounded = tail(np.linspace(0, 1, 5000))
    assert 1 - 0.001 < bounded.limit(1e-3) < bounded.limit(0)
