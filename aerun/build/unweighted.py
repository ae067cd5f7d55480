"""Builds a run to find its mistakes, without the memory that a large model takes."""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from aerun.build import Config, build

_FEW = 1_000_000  # elements of one tensor


class _Large(BaseException):
    """Ends a build; no Exception, which parts of a stranger's may turn into another."""


class _Small(TorchFunctionMode):
    """Raises `_Large` where a tensor of more than so many elements is made."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.numel() > _FEW:
            raise _Large
        return made


def build_unweighted(config: Config) -> None:
    """Raise what `build` raises. A small model has its weights: torch without them takes seconds to import a compiler."""
    try:
        with _Small():
            build(config)
        return
    except _Large:
        pass
    try:
        with torch.device("meta"):
            build(config)
    except (RuntimeError, NotImplementedError):  # some weights cannot be drawn without memory
        build(config)
