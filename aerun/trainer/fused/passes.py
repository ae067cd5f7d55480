"""The passes of several runs as one: as `Members` computes them, and replayed where two of them have shown what they do."""

import logging
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from aerun.trainer.fused.members import Batch, Members
from aerun.trainer.fused.replay import Replay, replay_of
from aerun.trainer.fused.tape import Tape

log = logging.getLogger("aerun")

USES = 3  # of a shape of batches before its pass is written down, which takes as long as is saved in so many
_AGREES = 1e-5  # the largest difference of a replay from the pass, relative to the largest entry

Results = Sequence[Tensor | None]


class _Unread:
    """Stands for the progress of training while a pass is written down: one that reads it depends on more than tensors."""

    def __bool__(self) -> bool:
        raise TypeError("it depends on the progress of training")

    def __eq__(self, other: object) -> bool:
        return bool(self)

    __hash__ = object.__hash__


class Passes:
    """Computes batches of members.

    Of each shape of batches a pass is written down, and the next computed both ways; a pass that a tape cannot hold, or whose
    replay comes to something else, is computed as before.
    """

    def __init__(self, members: Members) -> None:
        self.members, self._weights = members, members.weights
        self._repeated: dict[Any, _Repeated] = {}

    def train(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the parts (A, K) and the gradients of a batch, see `Members.objective`."""
        parts, *gradients = self._results(batch, progress)
        assert parts is not None
        named = zip(self.members.weights, gradients, strict=True)
        return parts, {k: g.contiguous() for k, g in named if g is not None}

    def validate(self, batch: Batch) -> Tensor:
        """Return the parts (A, K) of a batch that serves all, see `Members.objective`."""
        (parts,) = self._results(batch, None)
        assert parts is not None
        return parts

    def _results(self, batch: Batch, progress: float | None) -> Results:
        if batch.x.device.type != "cpu":
            return _results(self.members, batch, progress)
        if self._weights is not self.members.weights:  # runs have ended
            self._weights = self.members.weights
            self._repeated.clear()
        key = progress is None, batch.x.shape, batch.seen is None
        return self._repeated.setdefault(key, _Repeated(self.members)).results(batch, progress)


class _Repeated:
    """The passes over batches of one shape."""

    def __init__(self, members: Members) -> None:
        self.members, self.times = members, 0
        self.replay: Replay | None = None
        self.unused: list[bool] = []  # of the results: which are None

    def results(self, batch: Batch, progress: float | None) -> Results:
        """Return the parts and, in training, the gradients."""
        self.times += 1
        if self.times == USES:
            return self._written(batch, progress)
        if self.replay is None:
            return _results(self.members, batch, progress)
        if self.times == USES + 1:
            return self._proven(batch, progress)
        return self._replayed(batch)

    def _written(self, batch: Batch, progress: float | None) -> Results:
        streams = self.members.streams
        before, rest = list(streams.states), [t.clone() for t in self.members.rest.values()]
        try:
            with Tape() as streams.tape:
                results = _results(self.members, batch, None if progress is None else _Unread())
            self.unused = [r is None for r in results]
            wanted = [r for r in results if r is not None]
            self.replay = replay_of(streams.tape, list(self.members.weights.values()), batch.tensors(), wanted)
            return results
        except Exception as e:  # whatever it is, the pass itself says it where it concerns training
            log.debug("passes are not replayed: %s: %s", type(e).__name__, e)
            streams.states = before
            for tensor, was in zip(self.members.rest.values(), rest, strict=True):
                tensor.copy_(was)
        finally:
            streams.tape = None
        return _results(self.members, batch, progress)

    def _proven(self, batch: Batch, progress: float | None) -> Results:
        streams = self.members.streams
        before = list(streams.states)
        replayed, after = self._replayed(batch), streams.states
        streams.states = before
        results = _results(self.members, batch, progress)
        same = all(_agree(a, b) for a, b in zip(replayed, results, strict=True))
        pairs = zip(chain(*after), chain(*streams.states), strict=True)
        drawn = all(torch.equal(a, b) for a, b in pairs)
        if not (same and drawn):
            log.debug("passes are not replayed: a replay came to something else")
            self.replay = None
        return results

    def _replayed(self, batch: Batch) -> Results:
        assert self.replay is not None
        found = iter(self.replay(*batch.tensors()))
        return [None if unused else next(found) for unused in self.unused]


def _results(members: Members, batch: Batch, progress: Any) -> Results:
    losses, parts = members.objective(batch, progress)
    if progress is None:
        return [parts.detach()]
    return [parts.detach(), *torch.autograd.grad(losses.sum(), list(members.weights.values()), allow_unused=True)]


def _agree(one: Tensor | None, other: Tensor | None) -> bool:
    """Return whether these are the same to rounding; what is no number is so in both."""
    if one is None or other is None:
        return one is other
    a, b = one.nan_to_num(), other.nan_to_num()
    return one.shape == other.shape and bool((a - b).abs().max() <= _AGREES * b.abs().max().clamp_min(1e-6))
