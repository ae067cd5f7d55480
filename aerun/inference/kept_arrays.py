"""What was derived from a run's weights once, in its folder: arrays beside the fingerprint of the weights they belong to."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.inference.fingerprint import fingerprint
from aerun.inference.runner import Runner
from aerun.runs import files, plain

T = TypeVar("T")
Arrays = Mapping[str, Tensor]
_MODEL = "model"

log = logging.getLogger("aerun")


def kept(runner: Runner, file: str, restore: Callable[[Arrays], T], unbounded: tuple[str, ...] = ()) -> T | None:
    """Return what `restore` makes of the arrays in `file`, or None: there is none, or it is of other weights.

    unbounded: arrays that may hold infinities. Raises AerunError for a damaged file.
    """
    if not files.exists(runner.folder.path, file):
        return None
    arrays = {k: torch.from_numpy(v) for k, v in plain.arrays(runner.folder.path, file).items()}
    try:
        if bytes(arrays.pop(_MODEL).to(torch.uint8).numpy()).decode() != fingerprint(runner):
            return None
        if not all(bool(torch.isfinite(v).all()) for k, v in arrays.items() if k not in unbounded):
            raise ValueError("it holds values that are not finite")
        return restore(arrays)
    except (LookupError, TypeError, ValueError, RuntimeError) as e:
        raise AerunError(f"{runner.folder.path / file}: damaged: {plain.line_of(e)}. Remove it to fit it again.") from e


def keep(runner: Runner, file: str, arrays: Arrays, what: str) -> None:
    """Write arrays into the folder; where that cannot be written, say so of `what`."""
    model = np.frombuffer(fingerprint(runner).encode(), np.uint8)
    plainly = {k: v.cpu().numpy() for k, v in arrays.items()}
    try:
        with files.replaced(Path(runner.folder.path), file) as out:
            np.savez(out, **{_MODEL: model, **plainly})  # type: ignore[arg-type]
    except OSError as e:
        log.warning(f"{what} is not kept: {plain.line_of(e)}; it is fitted again next time.")
