"""Who goes on from a rung follows from the figures alone."""

import itertools
import random

import pytest

from aerun.sweep import rules
from aerun.sweep.pruned import spearman
from aerun.sweep.pruning import Pruning, read_pruning
from aerun.sweep.rules import Member, Unit

ASHA = Pruning("asha", 3, (1 / 9, 1 / 3), "val/mse", 1)
MEDIAN = Pruning("median", 3, (0.5,), "val/mse", 1)


def unit(number, values, to=0, first=0, **more):
    return Unit(number, (Member(str(number), dict(enumerate(values)), to, **more),), first)


def test_one_of_eta_goes_on_once_there_are_so_many():
    two = [unit(0, [3.0]), unit(1, [1.0])]
    assert rules.promoted(two, ASHA) is None
    found, level = rules.promoted([*two, unit(2, [2.0])], ASHA)
    assert (found.number, level) == (1, 1)
    assert rules.promoted([unit(0, [3.0]), unit(1, [1.0], to=1), unit(2, [2.0])], ASHA) is None


def test_more_is_better_where_the_figure_says_so_and_of_equals_the_first_goes_on():
    more = Pruning("asha", 3, ASHA.shares, "val/psnr", -1)
    some = [unit(0, [3.0]), unit(1, [1.0]), unit(2, [2.0])]
    assert rules.promoted(some, more)[0].number == 0
    assert rules.promoted([unit(n, [1.0]) for n in range(3)], ASHA)[0].number == 0


def test_seeds_are_judged_as_one_and_one_that_failed_counts_for_nothing():
    seeds = Unit(0, (Member("a", {0: 0.0}), Member("b", {0: 4.0})))
    others = [unit(1, [1.5]), unit(2, [3.0])]
    assert seeds.value(0) == 2.0
    assert rules.promoted([seeds, *others], ASHA)[0].number == 1
    half = Unit(0, (Member("a", {0: 0.0}), Member("b")))
    assert half.value(0) is None
    assert rules.promoted([half, *others], ASHA) is None
    failed = Unit(0, (Member("a", {0: 0.0}), Member("b", {0: 0.0}, failed=True)))
    assert rules.promoted([failed, *others], ASHA) is None


def test_when_all_are_there_the_lowest_rung_is_decided_first_and_order_means_nothing():
    figures = random.Random(1).sample(range(100), 9)

    def run(order):
        """Promote until nobody goes on; figures at higher rungs are those of the first."""
        units = {n: unit(n, [float(figures[n])]) for n in order}
        while found := rules.promoted(list(units.values()), ASHA, complete=True):
            one, level = found
            units[one.number] = unit(one.number, [float(figures[one.number])] * (level + 1), to=level)
        return {n: one.to for n, one in units.items()}

    best = sorted(range(9), key=lambda n: figures[n])
    expected = {n: 2 if n == best[0] else 1 if n in best[:3] else 0 for n in range(9)}
    assert run(range(9)) == run(reversed(range(9))) == expected


def test_a_sweep_ends_with_one_that_is_trained_to_its_end():
    some = [unit(0, [3.0]), unit(1, [1.0])]
    found, level = rules.best_waiting(some, ASHA)
    assert (found.number, level) == (1, 1)
    found, level = rules.best_waiting([some[0], unit(1, [1.0, 1.0], to=1)], ASHA)
    assert (found.number, level) == (1, 2)
    assert rules.best_waiting([some[0], unit(1, [1.0, 1.0], to=2, ended=True)], ASHA) is None
    assert rules.best_waiting([some[0], unit(1, [1.0], ended=True, check=True)], ASHA) is not None


def test_the_median_stops_nobody_before_five_have_ended():
    ended = [unit(n, [float(n)], to=1, ended=True) for n in range(5)]
    worst = unit(9, [9.0])
    assert rules.goes_on([*ended[:4], worst], worst, 0, MEDIAN)
    assert not rules.goes_on([*ended, worst], worst, 0, MEDIAN)
    equal = unit(9, [2.0])
    assert rules.goes_on([*ended, equal], equal, 0, MEDIAN)


def test_a_search_decides_at_once_among_those_that_came():
    search = Pruning("asha", 2, (0.5,), "val/mse", 1, searched=True)
    came = [unit(n, [float(n)], to=1) for n in range(4)]
    for value, on in ((0.5, True), (1.5, False), (9.0, False)):
        one = unit(9, [value])
        assert rules.goes_on([*came, one], one, 0, search) is on
    first = unit(0, [9.0])
    assert rules.goes_on([first], first, 0, search)


def test_who_was_told_to_go_on_and_is_not_there_goes_on_first():
    killed = Unit(0, (Member("a", {0: 1.0}, to=1), Member("b", {0: 1.0, 1: 1.0}, to=1)))
    assert [one.name for _, one in rules.waiting([killed, unit(1, [2.0])], ASHA)] == ["a"]


def test_hyperband_deals_out_brackets_of_equal_cost_whatever_comes_behind():
    band = Pruning("hyperband", 3, (1 / 9, 1 / 3), "val/mse", 1)
    first = [rules.dealt(n, "", band) for n in range(34)]
    assert [first.count(s) for s in range(3)] == [18, 10, 6]  # 9 : 5 : 3
    assert {rules.dealt(n, "", ASHA) for n in range(9)} == {0}
    some = [unit(0, [1.0, 1.0], first=0), unit(1, [2.0, 2.0], to=1, first=1), unit(2, [3.0, 3.0], to=1, first=1)]
    assert rules.promoted(some, band) is None  # of different brackets
    assert rules.promoted([*some, unit(3, [9.0, 9.0], to=1, first=1)], band)[0].number == 1


@pytest.mark.parametrize("whole", [9, 27, 40])
def test_rungs_are_shares_of_the_training(whole):
    at = [ASHA.epochs(rung, whole) for rung in range(2)]
    assert at == [round(whole / 9), round(whole / 3)]


def test_pruning_is_read_as_it_was_written_and_damage_is_seen():
    assert read_pruning(ASHA.plain()) == ASHA
    assert read_pruning({}) is None
    for wrong in ({"eta": 1}, {"shares": 3}, {"kind": "best"}, {"more": 1}, {"sign": 0}):
        with pytest.raises(ValueError, match=r"."):
            read_pruning({**ASHA.plain(), **wrong})


def test_ranks_with_ties():
    assert spearman([(1, 10), (2, 20), (3, 30)]) == 1
    assert spearman([(1, 30), (2, 20), (3, 10)]) == -1
    pairs = [(1, 1), (2, 3), (2, 2), (4, 4)]
    ranked = [(1, 1), (2.5, 3), (2.5, 2), (4, 4)]
    n, mean = 4, 2.5
    top = sum((a - mean) * (b - mean) for a, b in ranked)
    below = (sum((a - mean) ** 2 for a, _ in ranked) * sum((b - mean) ** 2 for _, b in ranked)) ** 0.5
    assert len(ranked) == n
    assert spearman(pairs) == pytest.approx(top / below)
    assert all(spearman(list(order)) == spearman(pairs) for order in itertools.permutations(pairs))
