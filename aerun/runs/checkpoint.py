"""The one guarded reader of run folders, which may be a stranger's: plain data only, nothing outside of the folder."""

import math
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.runs.figures import higher_is_better
from aerun.runs.folder import Folder


def weights_of(path: Path, weights: str) -> dict[str, Tensor]:
    """The `best` or `last` weights in a run's folder, as plain tensors."""
    checkpoint = inside(path, path / "checkpoints" / f"{weights}.ckpt")
    if not checkpoint.is_file():
        raise AerunError(f"{checkpoint}: there are no such weights: the run was stopped before it wrote any.")
    return _state(checkpoint)


def run_folder(path: Path) -> Path:
    """The run's folder; of a sweep's that of the run with the best objective. AerunError where there is none."""
    if not path.is_dir():
        raise AerunError(f"{path}: {'is a file; a run is a folder' if path.exists() else 'there is no such folder'}.")
    if (path / "config.yaml").is_file():
        return path
    found = [(value, p.parent) for p in sorted(path.glob("*/results.json")) if (value := _objective(p.parent)) is not None]
    if not found:
        raise AerunError(f"{path}: not a run's folder (no config.yaml in it), nor a sweep's (no completed run in it).")
    return min(found, key=lambda f: f[0])[1]


def _objective(path: Path) -> float | None:
    """What a run of a sweep is compared by, the lower the better; None where it was not completed."""
    results = Folder(path).read()
    value = results.get("objective")
    if results.get("status") != "completed" or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    asked = Folder(path).config().get("objective")
    name = asked[0] if isinstance(asked, list) and asked else asked
    return -float(value) if higher_is_better(str(name)) else float(value)


def inside(folder: Path, path: Path) -> Path:
    """`path` if it lies in `folder`, links followed, else AerunError."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise AerunError(f"{path}: leads outside of the run's folder; nothing is read there.")
    return path


def _state(path: Path) -> dict[str, Tensor]:
    """The weights as plain tensors. AerunError where the file is damaged, holds anything else, or unpacks to more than
    it is.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > path.stat().st_size:
                raise ValueError("it unpacks to more than its own size")
        found = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
        own = {str(k).removeprefix("autoencoder."): v for k, v in found.items()}
        if not all(isinstance(v, Tensor) for v in own.values()):
            raise ValueError("its state_dict holds more than tensors")
    except Exception as e:
        raise AerunError(
            f"{path}: not read: it must be plain weights, without Python objects that could run code ({line_of(e)})."
        ) from e
    return own


def line_of(e: BaseException) -> str:
    return (str(e).strip() or type(e).__name__).splitlines()[0].rstrip(".")
