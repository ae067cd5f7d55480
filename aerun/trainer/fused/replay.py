"""The steps of a tape as one function of a batch: what is equal in every pass is computed once, what nothing needs never."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_map

from aerun.trainer.fused.tape import CannotReplayError, Step, Tape, memory, tensors

_ATEN = torch.ops.aten
_BY_ONE = (_ATEN.mul.Scalar, _ATEN.div.Scalar, _ATEN.pow.Tensor_Scalar)  # by 1 they change nothing
_FILLED = (_ATEN.ones_like.default, _ATEN.zeros_like.default, _ATEN.new_zeros.default, _ATEN.new_ones.default)  # of no values
_TURNED = (1, 2)  # the dimensions that are swapped in a stack of matrices

Place = fx.Node | Tensor  # where a tensor is found in a replay: made anew, or there


class Replay:
    """A pass over another batch; what it returns may share memory among itself and with other passes."""

    def __init__(self, graph: fx.Graph, read: Sequence[Tensor]) -> None:
        self._function: Callable[..., list[Tensor]] = fx.GraphModule({}, graph).forward
        self._read = read

    def __call__(self, *batch: Tensor) -> list[Tensor]:
        """Return the results of a pass over this batch."""
        with torch.no_grad():
            return self._function(*batch, *self._read)


def replay_of(tape: Tape, weights: Sequence[Tensor], batch: Sequence[Tensor], results: Sequence[Tensor]) -> Replay:
    """Return what repeats a pass. Raises CannotReplayError where a tape cannot hold it.

    weights change between passes, in place, so that a view of one stays a view of it; all else that the pass has read stays
    what it was. batch: tensors in whose places others are given. results: what is returned.
    """
    build = _Build(tape, weights, batch)
    for step in tape.steps:
        build.add(step)
    return build.done(results)


class _Build:
    """The graph of a replay, as far as it is made."""

    def __init__(self, tape: Tape, weights: Sequence[Tensor], batch: Sequence[Tensor]) -> None:
        self._graph, self._there = fx.Graph(), dict[tuple[Any, ...], tuple[fx.Node, Tensor]]()
        self._places, self._keys = dict[int, Place](), dict[tuple[Any, ...], Place]()
        self._weights = {memory(w) for w in weights}
        self._written = {memory(t) for step in tape.steps for t in step.changed()}
        self._before = {memory(t) for t in batch}
        self._made = set(self._before)
        for number, tensor in enumerate(batch):
            self._put(tensor, self._graph.placeholder(f"batch{number}"))

    def done(self, results: Sequence[Tensor]) -> Replay:
        """Return the replay that returns these."""
        self._graph.output([self._node(self._place(t)) for t in results])
        if not self._written:
            _share(self._graph)
            _turn_products(self._graph)
        _prune(self._graph)
        return Replay(self._graph, [t for _, t in self._there.values()])

    def add(self, step: Step) -> None:
        """Write a step."""
        made = tensors(step.result)
        places = [self._place(t) for t in tensors((step.args, step.kwargs))]
        if self._is_equal(step, places, made):
            for tensor in made:
                self._put(tensor, tensor.detach())
        elif len(made) == 1 and places and _changes_nothing(step, made[0]):
            self._put(made[0], places[0])
        elif not made and not step.changed():
            raise CannotReplayError(f"{step.function} makes a number of a tensor")
        else:
            self._call(step, made)

    def _is_equal(self, step: Step, places: Sequence[Place], made: Sequence[Tensor]) -> bool:
        """Return whether what came of a step is so in every pass: made of what is always there, or a view of weights."""
        if step.drawn or step.changed() or any(memory(t) in self._written for t in made):
            return False
        if step.function in _FILLED:
            return True
        if any(isinstance(p, fx.Node) for p in places):
            return False
        read = {memory(p) for p in places if isinstance(p, Tensor)} & self._weights
        return not read or (bool(made) and all(memory(t) in read for t in made))

    def _call(self, step: Step, made: Sequence[Tensor]) -> None:
        for tensor in step.changed():
            if not isinstance(self._place(tensor), fx.Node) or memory(tensor) in self._before:
                raise CannotReplayError(f"{step.function} changes what is there before the pass")
        args, kwargs = tree_map(lambda v: self._node(self._place(v)) if isinstance(v, Tensor) else v, (step.args, step.kwargs))
        node = self._graph.call_function(step.function, args, kwargs)
        self._made |= {memory(t) for t in made}
        if isinstance(step.result, Tensor):
            self._put(step.result, node)
        else:
            for i, tensor in enumerate(step.result):
                if isinstance(tensor, Tensor):  # what is not asked for is None
                    self._put(tensor, self._graph.call_function(operator.getitem, (node, i)))

    def _put(self, tensor: Tensor, place: Place) -> None:
        self._places[id(tensor)] = self._keys[_key(tensor)] = place

    def _place(self, tensor: Tensor) -> Place:
        place = self._places.get(id(tensor), self._keys.get(_key(tensor)))
        if place is None and memory(tensor) in self._made:
            raise CannotReplayError("it reads a part of a tensor that torch does not tell of")
        return tensor if place is None else place

    def _node(self, place: Place) -> fx.Node:
        """Return what stands for it in the graph: for a tensor that is there, one more argument."""
        if isinstance(place, fx.Node):
            return place
        if (key := _key(place)) not in self._there:
            arguments = [n for n in self._graph.nodes if n.op == "placeholder"]
            with self._graph.inserting_after(arguments[-1]):
                self._there[key] = self._graph.placeholder(f"there{len(self._there)}"), place
        return self._there[key][0]


def _key(tensor: Tensor) -> tuple[Any, ...]:
    return memory(tensor), tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype


def _changes_nothing(step: Step, made: Tensor) -> bool:
    """Return whether a step's result is its first argument."""
    first = step.args[0] if step.args else None
    if step.drawn or step.changed() or not isinstance(first, Tensor):
        return False
    return _key(made) == _key(first) or (step.function in _BY_ONE and step.args[1] == 1 and made.dtype == first.dtype)


def _share(graph: fx.Graph) -> None:
    """Compute once what several steps compute alike, such as the pass of clean samples where they are not corrupted."""
    first: dict[Any, fx.Node] = {}
    for node in graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        key = repr((str(node.target), node.args, sorted(node.kwargs.items())))  # nodes are written as their names
        if (before := first.setdefault(key, node)) is not node:
            node.replace_all_uses_with(before)


def _turn_products(graph: fx.Graph) -> None:
    """Write (a^T b)^T as b^T a, which is a product in the order of its rows, and of narrow matrices several times as fast."""
    for node in graph.nodes:
        if node.target is not _ATEN.transpose.int or node.args[1:] != _TURNED or not _is_of(node.args[0], _ATEN.bmm.default):
            continue
        left, right = node.args[0].args
        if len(node.args[0].users) == 1 and _is_of(left, _ATEN.transpose.int) and left.args[1:] == _TURNED:
            with graph.inserting_before(node):
                turned = graph.call_function(_ATEN.transpose.int, (right, *_TURNED))
                node.replace_all_uses_with(graph.call_function(_ATEN.bmm.default, (turned, left.args[0])))


def _is_of(node: Any, function: Any) -> bool:
    return isinstance(node, fx.Node) and node.target is function


def _prune(graph: fx.Graph) -> None:
    """Remove what nothing needs; draws stay, since the next one depends on them."""
    for node in reversed(graph.nodes):
        quiet = node.target is operator.getitem or isinstance(node.target, torch._ops.OpOverload)
        if node.op == "call_function" and not node.users and quiet and not _mutates(node.target):
            graph.erase_node(node)


def _mutates(function: Any) -> bool:
    return isinstance(function, torch._ops.OpOverload) and function._schema.is_mutable
