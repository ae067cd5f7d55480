"""Which jobs of a pruned sweep go on: asked of what all of them have come to, and of nothing else.

So the answer is the same after any kill, and it can be tested without training anything.
"""

import math
import statistics
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from aerun.sweep.pruning import HYPERBAND, MEDIAN, Pruning

ENDED_FIRST = 5  # settings that end before the median stops any


@dataclass(frozen=True)
class Member:
    """A job. values: rung -> figure there. to: the level that it may train up to, a rung or, behind the last, its end.

    stopped: the rung at which it was stopped for good. check: it is trained to its end for the sake of the figures alone.
    """

    name: str
    values: Mapping[int, float] = field(default_factory=dict)
    to: int = 0
    stopped: int | None = None
    begun: bool = False
    ended: bool = False
    failed: bool = False
    check: bool = False


@dataclass(frozen=True)
class Unit:
    """What is pruned as one: the jobs that differ in the seed alone, judged by their mean. first: the rung it begins with."""

    number: int
    members: tuple[Member, ...]
    first: int = 0

    def value(self, rung: int) -> float | None:
        """Return the mean of its figures at a rung, None before all of its jobs are there."""
        values = [member.values.get(rung) for member in self.members]
        known = [v for v in values if v is not None]
        return math.fsum(known) / len(known) if len(known) == len(values) and not self.failed else None

    @property
    def failed(self) -> bool:
        """Return whether one of its jobs failed: the mean of the others would be another setting's."""
        return any(member.failed for member in self.members)

    @property
    def ended(self) -> bool:
        """Return whether all of its jobs are at their end, and not for the sake of the figures alone."""
        return all(member.ended and not member.check for member in self.members)

    @property
    def to(self) -> int:
        """Return the level up to which it may train."""
        return max(self.first, *(member.to for member in self.members))

    @property
    def stopped(self) -> bool:
        """Return whether it was stopped for good."""
        return any(member.stopped is not None for member in self.members)


def waiting(units: Sequence[Unit], pruning: Pruning) -> Iterator[tuple[Unit, Member]]:
    """Yield jobs that were told to go on and are not there yet: those of a killed process, and those at work elsewhere."""
    for unit in units:
        for member in unit.members:
            if unit.to > unit.first and not unit.failed and not reached(member, unit.to, pruning):
                yield unit, member


def reached(member: Member, level: int, pruning: Pruning) -> bool:
    """Return whether a job has come to a level."""
    return member.ended or (level < pruning.end and level in member.values)


def promoted(units: Sequence[Unit], pruning: Pruning, complete: bool = False) -> tuple[Unit, int] | None:
    """Return the setting that goes on to its next level: one among the best of its rung, the highest rung first.

    complete: all settings have come to their first rung. Then the lowest is first, so that all that are to come to the next one
    are there before any of them goes on: nobody goes on whom a later one would have kept back.
    """
    for rung in range(pruning.end) if complete else reversed(range(pruning.end)):
        for first in sorted({unit.first for unit in units if unit.first <= rung}):
            some = _ranked([unit for unit in units if unit.first == first], rung, pruning)
            for unit in some[: _share(len(some), pruning) if rung >= pruning.begin else None]:
                if unit.to <= rung:
                    return unit, rung + 1
    return None


def undecided(units: Sequence[Unit], pruning: Pruning) -> tuple[Unit, int] | None:
    """Return a setting that is at the rung up to which it was to train, of which it is not yet said whether it goes on."""
    for unit in units:
        if unit.to < pruning.end and not unit.stopped and unit.value(unit.to) is not None:
            return unit, unit.to
    return None


def goes_on(units: Sequence[Unit], unit: Unit, rung: int, pruning: Pruning) -> bool:
    """Return whether a setting goes on from this rung, where that is said at once and for good."""
    if pruning.kind == MEDIAN:
        others = [v for other in units if other.number != unit.number and (v := other.value(rung)) is not None]
        ended = sum(other.ended for other in units if other.number != unit.number)
        own = unit.value(rung)
        return ended < ENDED_FIRST or own is None or pruning.sign * own <= pruning.sign * statistics.median(others)
    some = _ranked([other for other in units if other.first == unit.first], rung, pruning)
    return any(one.number == unit.number for one in some[: max(1, _share(len(some), pruning))])


def best_waiting(units: Sequence[Unit], pruning: Pruning) -> tuple[Unit, int] | None:
    """Return, where none has ended or will, the best of the highest rung: a sweep ends with one trained to its end."""
    if any(unit.ended for unit in units):
        return None
    for rung in reversed(range(pruning.end)):
        for unit in _ranked(units, rung, pruning):
            if unit.to <= rung and not unit.stopped:
                return unit, rung + 1
    return None


def _ranked(units: Sequence[Unit], rung: int, pruning: Pruning) -> list[Unit]:
    """Return the settings that are at a rung, best first; of equal ones the first of the sweep."""
    known = [(unit, v) for unit in units if unit.first <= rung and (v := unit.value(rung)) is not None]
    return [unit for unit, _ in sorted(known, key=lambda one: (pruning.sign * one[1], one[0].number))]


def _share(count: int, pruning: Pruning) -> int:
    """Return how many of so many go on."""
    return math.floor(Fraction(count) / Fraction(str(pruning.eta)))


def dealt(number: int, name: str, pruning: Pruning) -> int:
    """Return the rung with which a setting begins. number: its place in a grid, whatever comes behind it.

    Hyperband deals them out to brackets, which begin at later rungs with fewer settings each.
    """
    if pruning.kind != HYPERBAND:
        return 0
    weights = _weights(pruning)
    if pruning.searched:  # whose settings have no place: they come as they are drawn
        at = zlib.crc32(name.encode()) % sum(weights)
        return next(first for first in range(len(weights)) if at < sum(weights[: first + 1]))
    counts, first = [0] * len(weights), 0
    for n in range(number + 1):
        first = max(range(len(weights)), key=lambda b: (weights[b] * (n + 1) - counts[b] * sum(weights), -b))
        counts[first] += 1
    return first


def _weights(pruning: Pruning) -> list[int]:
    """Return how many settings each bracket has, so that all cost about the same."""
    levels = pruning.end + 1
    return [math.ceil(levels / (levels - s) * pruning.eta ** (pruning.end - s) - 1e-9) for s in range(levels)]
