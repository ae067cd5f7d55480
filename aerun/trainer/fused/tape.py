"""A pass of several models written down once as torch's own operations, and replayed without the Python around them.

`vmap` and modules decide anew in every step what they decided before, which takes a small model longer than its arithmetic. A
tape holds what a pass did to tensors, its derivatives too. It is right for batches of the same shape as long as nothing but
tensors differs: who writes one replays it on another batch beside the pass itself before relying on it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class CannotReplayError(Exception):
    """A pass does what a tape cannot hold."""


class Step(NamedTuple):
    """What was called on what, and what came of it. drawn: random numbers, which no two passes share."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    drawn: bool = False

    def changed(self) -> list[Tensor]:
        """Return the tensors that it changed in place."""
        if self.drawn or not self.function._schema.is_mutable:  # type: ignore[attr-defined]
            return []
        arguments = self.function._schema.arguments  # type: ignore[attr-defined]
        written = [a.name for a in arguments if a.alias_info is not None and a.alias_info.is_write]
        values = {a.name: v for a, v in zip(arguments, self.args, strict=False)} | self.kwargs
        return tensors([values[name] for name in written])


class Tape(TorchDispatchMode):
    """Writes down what is done to tensors while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []  # with their tensors, so that no two have the same id
        self._paused = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler to skip this, which takes longer than what a tape saves

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self._paused:
            if torch.Tag.nondeterministic_seeded in func.tags:
                raise CannotReplayError(f"{func} draws by itself")
            self.steps.append(Step(func, args, kwargs or {}, result))
        return result

    def draw(self, function: Callable[..., Tensor], args: tuple[Any, ...]) -> Tensor:
        """Return what `function` draws; it is written down as one step."""
        self._paused = True
        try:
            drawn = function(*args)
        finally:
            self._paused = False
        self.steps.append(Step(function, args, {}, drawn, drawn=True))
        return drawn


def tensors(values: Any) -> list[Tensor]:
    """Return the tensors among these arguments or results."""
    return [v for v in tree_leaves(values) if isinstance(v, Tensor)]


def memory(tensor: Tensor) -> int:
    """Return what is equal for tensors that share memory."""
    return tensor.untyped_storage()._cdata
