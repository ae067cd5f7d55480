"""P120: rows that were made up, held against real ones."""

import numpy as np
import pytest

from aerun.metrics import rows

WORDS = (0, 0, 3, 2)


@pytest.fixture(scope="module")
def table():
    """Two numbers that go together, of which one has gaps, and words that follow from them."""
    g = np.random.default_rng(0)
    a = g.normal(size=5000)
    b = np.where(g.random(5000) < 0.1, np.nan, a + 0.4 * g.normal(size=5000))
    word = np.digitize(a, [-0.5, 0.8]).astype(float)
    word[g.random(5000) < 0.02] = -1
    return np.stack([a, b, word, (a + 0.5 * g.normal(size=5000) > 0).astype(float)], 1)


def test_a_copy_is_alike_in_all_but_that_it_is_one(table):
    g, train, test = np.random.default_rng(1), table[:3000], table[3000:]
    copy, columns = train[g.permutation(3000)[:2000]], rows.independent(train, 2000, g)
    joined = rows.copula(train, WORDS, 2000, g)
    assert min(rows.shape(train, x, WORDS) for x in (copy, columns, joined)) > 0.98
    assert rows.shape(test, copy, WORDS) > 0.94
    pairs = [rows.pair(test, x, WORDS) for x in (copy, joined, columns)]
    assert pairs[0] > pairs[1] > pairs[2]
    assert pairs[0] - pairs[2] > 0.1
    few = test[:600]
    assert rows.told_apart(few, copy, WORDS, 0) == pytest.approx(0.5, abs=0.05)
    assert rows.told_apart(few, columns, WORDS, 0) > 0.8
    assert rows.closer(copy, train, few, WORDS) == 1
    assert rows.closer(table[3000:4000], train, table[4000:], WORDS) == pytest.approx(0.5, abs=0.05)
    half = np.concatenate([copy[:500], table[3500:4000]])
    assert rows.closer(half, train, table[4000:], WORDS) > 0.65


def test_rows_that_keep_the_rules_teach_them(table):
    g = np.random.default_rng(2)
    train, test = table[:1000], table[4000:]
    kept, lost = train, rows.independent(train, 1000, g)
    assert rows.utility(kept, test, WORDS, (2,), 0) > rows.utility(lost, test, WORDS, (2,), 0) + 0.2
    assert rows.utility(kept, test, WORDS, (1,), 0) > 0.7 > rows.utility(lost, test, WORDS, (1,), 0)
    one = np.where(np.isin(np.arange(4), 3), 1.0, train)  # a single word is all that it can say
    assert rows.utility(one, test, WORDS, (3,), 0) == pytest.approx((test[:, 3] == 1).mean())


def test_words_that_trees_cannot_tell_and_columns_of_gaps_alone_are_no_error():
    g = np.random.default_rng(0)
    many = np.stack([g.integers(0, 400, 200).astype(float), np.full(200, np.nan)], 1)
    assert 0.5 <= rows.told_apart(many, many[::-1], (400, 0), 0) <= 1
    assert rows.shape(many, many, (400, 0)) == pytest.approx(1)
    assert rows.copula(many, (400, 0), 50, g).shape == (50, 2)
