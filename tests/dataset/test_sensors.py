"""dataset=sensors: a series with sensors that are stuck."""

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.metrics.labelled_steps import spans
from tests.conftest import built


def test_only_test_steps_are_stuck_and_their_labels_say_where():
    dataset = built("dataset=sensors", "dataset.steps=4000", "dataset.features=2").dataset
    data, steps = dataset.load(), dataset.test_steps()
    assert data.train.x.shape[1:] == (40, 2)
    assert not data.train.y.any()
    assert not data.val.y.any()
    assert 0.04 <= steps.label.mean() < 0.09
    for a, b in spans(steps.label == 1):
        assert 5 <= b - a <= 25
        still = (steps.x[a:b] == steps.x[a]).all(0)
        assert int(still.sum()) == 1
    starts = np.arange(0, 600 - 39, 5)
    assert torch.equal(data.test.x, torch.stack([steps.x[s : s + 40] for s in starts]))
    assert data.test.y.tolist() == [int(steps.label[s : s + 40].any()) for s in starts]
    assert torch.equal(
        data.train.x, built("dataset=sensors", "dataset.steps=4000", "dataset.features=2", "seed=3").dataset.load().train.x
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["dataset.steps=200"], "less than dataset.window=40"),
        (["dataset.stuck=0"], "no room for a sensor"),
        (["dataset.normal=[anomaly]"], "leave it out"),
        (["dataset.window=0"], "dataset.window=0"),
    ],
)
def test_settings_that_leave_nothing_are_refused(settings, said):
    with pytest.raises(AerunError, match=said):
        built("dataset=sensors", *settings)
