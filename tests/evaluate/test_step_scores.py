"""P133: windows judge their own steps."""

import numpy as np
import pytest

from aerun.dataset.sequences.windows import covering
from aerun.evaluate.step_scores import Cover


def mean_of(steps, window, stride, error):
    """Scores by windows of which window w has the error error(w, t) at step t."""
    starts, tails = covering(np.array([0]), np.array([steps]), window, stride)
    first = np.concatenate([starts, tails])
    cover = Cover(steps, 1)
    cover.add(first, np.array([[[error(w, w + i)] for i in range(window)] for w in first.tolist()], dtype=float))
    return cover


@pytest.mark.parametrize("stride", [1, 3, 5, 9])
@pytest.mark.parametrize("steps", [5, 17, 20])
def test_every_step_is_covered_and_a_constant_error_is_a_constant_score(steps, stride):
    cover = mean_of(steps, 5, stride, lambda w, t: 2.0)
    assert cover.count.min() >= 1
    np.testing.assert_array_equal(cover.mean(), 2.0)


def test_windows_of_one_step_give_its_own_error_and_longer_ones_their_mean_there():
    np.testing.assert_array_equal(mean_of(6, 1, 1, lambda w, t: t).mean()[:, 0], range(6))
    scores = mean_of(8, 3, 1, lambda w, t: 10 * w + t).mean()[:, 0]
    assert scores[0] == 0  # window 0 alone
    assert scores[4] == 10 * (2 + 3 + 4) / 3 + 4
    assert scores[7] == 10 * 5 + 7


def test_pieces_shorter_than_a_window_are_covered_by_none():
    starts, tails = covering(np.array([0, 10, 14]), np.array([10, 3, 4]), 4, 4)
    assert (starts.tolist(), tails.tolist()) == ([0, 4, 14], [6])
    cover = Cover(18, 2)
    cover.add(starts, np.ones((3, 4, 2)))
    assert np.isnan(cover.mean()[10:13]).all()
