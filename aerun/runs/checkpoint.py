"""Weights and checkpoints out of a run's folder, which may be a stranger's: the one reader of them for every verb."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from aerun.core.errors import AerunError
from aerun.runs import files
from aerun.runs.figures import higher_is_better
from aerun.runs.folder import CHECKPOINTS, Folder
from aerun.runs.plain import line_of
from aerun.runs.tree import Archive, Stored

FOLDER = CHECKPOINTS
LAST, BEST = f"{FOLDER}/last.ckpt", f"{FOLDER}/best.ckpt"
_NONE = "there are no such weights: the run was stopped before it wrote any"
_WHOLE = ("state_dict", "epoch")
_GOES_ON = ("optimizer_states", "callbacks", "loops", "steps", "total", "seconds", "fused")


def weights_of(folder: Path, weights: str, limit: int | None = None) -> dict[str, Tensor]:
    """Return the `best` or `last` weights in a run's folder by their names in the model.

    Raises AerunError where there are none, where the file is damaged or holds anything but plain data, and where the weights
    take more than `limit` bytes.
    """
    with _archive(folder, f"{FOLDER}/{weights}.ckpt", _NONE) as archive:
        stored = _state_dict(archive)
        size = sum(v.nbytes for v in stored.values())
        if limit is not None and size > limit:
            raise ValueError(f"it holds {size:,} bytes of weights, and the model of config.yaml has at most {limit:,}")
        return {k.removeprefix("autoencoder."): archive.tensors(v) for k, v in stored.items()}


class Sizes(NamedTuple):
    """What a checkpoint's weights take: bytes, and the number of tensors; and the bytes of the whole file."""

    weights: int
    tensors: int
    whole: int


def sizes_of(folder: Path, weights: str) -> Sizes:
    """Return what the weights take, without reading them. Errors are those of `weights_of`."""
    name = f"{FOLDER}/{weights}.ckpt"
    with _archive(folder, name, _NONE) as archive:
        stored = _state_dict(archive).values()
        return Sizes(sum(v.nbytes for v in stored), len(stored), files.size(folder, name))


def _state_dict(archive: Archive) -> dict[str, Stored]:
    stored = archive.tree["state_dict"]
    if not isinstance(stored, dict) or not all(isinstance(v, Stored) for v in stored.values()):
        raise ValueError("its state_dict holds more than tensors")
    return {str(k): v for k, v in stored.items()}


def read(folder: Path, name: str = LAST, device: str = "cpu") -> dict[str, Any]:
    """Return a whole checkpoint, its tensors on `device` (`meta`: not read). Errors are those of `weights_of`."""
    with _archive(folder, name, "there is no such checkpoint") as archive:
        missing = [k for k in (*_WHOLE, *(_GOES_ON if name == LAST else ())) if k not in archive.tree]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        checkpoint: dict[str, Any] = archive.tensors(archive.tree, device)
        return checkpoint


@contextmanager
def _archive(folder: Path, name: str, lacks: str) -> Iterator[Archive]:
    try:
        file = files.opened(folder, name, None)
    except FileNotFoundError:
        raise AerunError(f"{folder / name}: {lacks}.") from None
    with file:
        try:
            archive = Archive(file)
            if not isinstance(archive.tree, dict):
                raise ValueError("it is no table")
            yield archive
        except AerunError:
            raise
        except Exception as e:  # A damaged archive raises errors of many kinds.
            words = "it must be plain weights, without Python objects that could run code"
            raise AerunError(f"{folder / name}: not read: {words} ({line_of(e)}).") from e


def run_folder(path: Path) -> Path:
    """Return the run's folder; for a sweep's folder, that of its run with the best objective.

    Raises AerunError where there is none.
    """
    if not path.is_dir():
        raise AerunError(f"{path}: {'is a file; a run is a folder' if path.exists() else 'there is no such folder'}.")
    if files.exists(path, "config.yaml"):
        Folder(path).refuse_newer()
        return path
    inside = sorted(p for p in path.iterdir() if p.is_dir() and not p.is_symlink())
    completed = [(value, p) for p in inside if (value := _objective(p)) is not None]
    if not completed:
        raise AerunError(f"{path}: not a run's folder (no config.yaml in it), nor a sweep's (no completed run in it).")
    return min(completed, key=lambda f: f[0])[1]


def _objective(path: Path) -> float | None:
    """Return the figure by which a sweep's runs are compared, the lower the better; None for a run not completed."""
    results = Folder(path).read()
    value = results.get("objective")
    if results.get("status") != "completed" or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    objective = Folder(path).config().get("objective")
    name = objective[0] if isinstance(objective, list) and objective else objective
    return -float(value) if higher_is_better(str(name)) else float(value)
