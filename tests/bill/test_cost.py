"""What is made of measured seconds: sums, corrections, what lies between."""

import math

import pytest

from aerun.bill.cost import Cost, Size, between, cost_of, shape_key
from aerun.bill.estimate import estimate, together
from aerun.bill.past import Calibration, calibration
from tests.conftest import composed

SIZE = Size(flop=1e6, parameters=100, epochs=10, batches=5, shortest=10, rows=500, saves=10.0)
COST = Cost(SIZE, 2.0, 1.0, 0.5, 0.25, 0.1, 0.3, 0.05, 0.0, 1.0, (0.5, 1.0, 2.0), 1.0, 1e8, 1e6, 100.0, 5)
EXACT = Calibration(1.0, 0.0)


def test_a_run_is_the_sum_of_its_parts():
    training = 10 * (5 * 0.1 + 0.3) + 0.05 * (1 + 8 / 10)  # a checkpoint at the end, and one every ten seconds
    assert COST.cpu() == pytest.approx(0.5 + 0.25 + training + 1.0)
    assert COST.cpu(cold=True) - COST.cpu() == pytest.approx(1.0)
    assert COST.seconds(at=2) == pytest.approx(0.5 + 0.25 + 2 * training + 1.0)
    assert COST.bytes_on_disk() == 1e6 + 10 * 100
    assert cost_of(COST.plain()) == COST
    assert cost_of({**COST.plain(), "step": "many"}) is None


def test_low_likely_and_high_are_in_order_and_patience_and_time_limits_count():
    told = estimate(COST, EXACT)
    assert told.low < told.likely < told.high
    wide = estimate(COST, Calibration())
    assert wide.low < told.low < told.high < wide.high
    early = estimate(_of(shortest=3), EXACT)
    assert early.early
    assert (early.low < told.low, early.likely) == (True, told.likely)
    assert estimate(_of(limit=2.0), EXACT).likely == pytest.approx(2.0 + 0.5 + 0.25 + 1.0)
    busy = estimate(COST, EXACT, busy=True)
    assert busy.words(True).startswith("busy: ")
    assert busy.high == pytest.approx(1.5 * told.high)
    assert estimate(COST, EXACT, done=10).likely < 2.0  # training is done
    assert estimate(COST, EXACT, pace=3.0).likely == pytest.approx(3 * COST.cpu())


def _of(**size):
    return Cost(**{**COST.__dict__, "size": Size(**{**SIZE.__dict__, **size})})


def test_jobs_share_processes_and_cores():
    one = estimate(COST, EXACT)
    assert together([one] * 6, 1, 4).likely == pytest.approx(6 * one.likely)
    assert together([one] * 6, 3, 4).likely == pytest.approx(2 * one.likely)
    assert together([one] * 6, 6, 2).likely == pytest.approx(3 * one.cpu)  # there are two cores
    assert together([one], 4, 4).likely == pytest.approx(one.likely)
    assert [one.later(2).low - one.low, one.later(2).high - one.high] == pytest.approx([2, 2])  # processes that start


def test_bills_are_corrected_by_the_median_of_the_last_twenty():
    known = calibration([9.0] * 30 + [1.4] * 9 + [1.5] * 2 + [1.6] * 9)
    assert known.factor == pytest.approx(1.5)
    assert known.runs == 20
    assert calibration([]) == Calibration()
    assert calibration([1.0] * 20).spread < Calibration().spread < calibration([0.5, 2.0] * 10).spread
    assert calibration([1.2, math.nan, 0.0]).runs == 1


def test_what_is_not_measured_lies_between_what_is():
    small, large = _of(flop=1e6), Cost(**{**COST.__dict__, "size": Size(**{**SIZE.__dict__, "flop": 3e6}), "step": 0.5})
    middle = between(Size(**{**SIZE.__dict__, "flop": 2e6, "epochs": 7}), [large, small])
    assert (middle.step, middle.size.epochs, middle.blocks) == (pytest.approx(0.3), 7, 0)
    assert between(Size(**{**SIZE.__dict__, "flop": 6e6}), [small, large]).step == pytest.approx(1.0)
    assert between(Size(**{**SIZE.__dict__, "flop": 1e3}), [small, large]).step == pytest.approx(0.1)


def test_a_shape_is_what_a_cost_may_follow():
    base = composed()
    same = composed("seed=3", "optimizer.lr=0.5", "tags=[a]", "trainer.progress=false")
    assert shape_key(base) == shape_key(same)
    for words in ("model.latent_dim=3", "trainer.max_epochs=3", "trainer.batch_size=7", "regularizer=l1", "evaluate=[]"):
        assert shape_key(composed(words)) != shape_key(base), words
    assert shape_key(composed("model.latent_dim=3"), sizes=False) == shape_key(base, sizes=False)
    assert shape_key(composed("model=conv"), sizes=False) != shape_key(base, sizes=False)
