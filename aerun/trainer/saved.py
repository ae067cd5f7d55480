"""What a checkpoint of training holds and when it is the last one: all that needs no Lightning."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aerun.core.errors import AerunError, StoppedError, line_of
from aerun.runs import files
from aerun.runs.identity import KEY

log = logging.getLogger("aerun")

HELD = 0.5  # seconds from one state that is held in memory to the next: a copy takes as long as a step on few rows


def ended(checkpoint: Mapping[str, Any], total: int, lifted: bool = False) -> bool:
    """Return whether training came to its end here: after `total` steps, or as early as `trainer.patience` said.

    lifted: no patience ends it any more, so that what one ended goes on.
    """
    early = checkpoint.get("ended") and checkpoint["total"] == total and not lifted
    return bool(checkpoint["steps"] >= total or early)


def save(folder: Path, name: str, checkpoint: Mapping[str, Any], identity: str = "") -> None:
    """Write RUN/`name`, whole or not at all: a full disk or a kill leaves the older one. identity: whose it is."""
    own = {KEY: identity} if identity else {}
    try:
        with files.replaced(folder, name) as f:
            torch.save({**own, **checkpoint}, f)
    except RuntimeError as e:
        if isinstance(e.__context__, StoppedError):  # torch's writer, cut short, raises an error of its own.
            raise e.__context__ from None
        raise


def best_of(epoch: int, state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the checkpoint of the best epoch, from which nobody goes on: the weights alone."""
    return {"epoch": epoch, "state_dict": copied(dict(state_dict)), "optimizer_states": [], "callbacks": {}}


def copied(node: Any) -> Any:
    """Return plain data whose tensors lie in memory of their own, outside of a GPU's."""
    if isinstance(node, Tensor):
        return node.detach().to("cpu", copy=True)
    if isinstance(node, dict):
        return {k: copied(v) for k, v in node.items()}
    return type(node)(map(copied, node)) if type(node) in (list, tuple) else node


def write_at_end(write: Callable[[], None]) -> None:
    """Write what is held as training ends by an error, which is the one to be raised: another is only said."""
    try:
        write()
    except (OSError, RuntimeError, AerunError) as e:
        why = "the file could not be written" if isinstance(e, RuntimeError) else line_of(e)  # torch's writer speaks of itself
        log.warning("the state of the last seconds could not be saved: %s", why)
