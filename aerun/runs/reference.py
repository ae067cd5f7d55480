"""What a run writes down at its end of its validation errors and of its training codes, so that its model is used
without data.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.core.files import replace, replaced
from aerun.evaluate.scores import score
from aerun.evaluate.subset import subsample
from aerun.formats.arrays import names_of, read_array
from aerun.metrics.moments import moments
from aerun.trained import Trained

_QUANTILES = 1001
_ROWS, _WIDEST = 20_000, 1024  # codes; numbers of a code up to which their covariance is kept
_SHARES = (0.025, 0.16, 0.33, 0.5, 0.67, 0.84, 0.975)
SCORES, CODES = "scores.json", "codes.npz"
_BYTES = 64 << 20  # of either file, at most


@dataclass(frozen=True)
class Codes:
    """Training codes, flat: mean (E,), covariance (E, E) or nothing, smallest and largest values, and quantiles (7, d)
    of units.
    """

    mean: NDArray[np.float32]
    covariance: NDArray[np.float32] | None
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    units: NDArray[np.float32]


@torch.no_grad()
def write(trained: Trained, folder: Path) -> None:
    """scores.json: 1,001 quantiles of the validation scores. codes.npz: see `Codes`, of at most 20,000 training samples."""
    model = trained.autoencoder
    found = torch.cat([score(model, stored).cpu() for stored in trained.stored_batches(trained.data.val)])
    quantiles = np.quantile(found.numpy(), np.linspace(0, 1, _QUANTILES))
    about = {"score": "mean squared error over real and seen elements", "samples": len(found), "quantiles": quantiles.tolist()}
    replace(folder / SCORES, json.dumps(about, indent=1))
    codes = _codes(trained)
    flat = codes.flatten(1).double().cpu()
    low, high = flat.aminmax(dim=0)
    arrays = {"mean": flat.mean(0), "low": low, "high": high, "units": _units(codes)}
    if flat.shape[1] <= _WIDEST:
        arrays["covariance"] = moments(lambda: iter([flat])).shrunk()
    with replaced(folder / CODES) as file:
        np.savez(file, **{k: v.cpu().numpy().astype(np.float32) for k, v in arrays.items()})  # type: ignore[arg-type]


def _codes(trained: Trained) -> Tensor:
    model = trained.autoencoder
    split = subsample(trained.data.train, _ROWS, max(model.code_elements, 400))
    return torch.cat([model.encode(x, valid=valid) for x, valid in trained.valid_batches(split)])


def _units(codes: Tensor) -> Tensor:
    """Quantiles of each unit over samples and places, (7, d)."""
    rows = codes.flatten(2).movedim(1, -1).reshape(-1, codes.shape[1]) if codes.ndim > 2 else codes
    rows = rows[:: max(1, len(rows) // _ROWS)].double()
    return torch.quantile(rows, torch.tensor(_SHARES, dtype=rows.dtype, device=rows.device), dim=0)


def scores(folder: Path) -> tuple[NDArray[np.float64], int]:
    """Quantiles of the validation scores, from the smallest to the largest, and how many there were."""
    found = _bounded(folder, SCORES, "No threshold is known", lambda path: json.loads(path.read_text()))
    try:
        quantiles = np.asarray(found["quantiles"], dtype=np.float64)
        if quantiles.ndim != 1 or len(quantiles) < 2 or not np.isfinite(quantiles).all() or (np.diff(quantiles) < 0).any():
            raise ValueError("its quantiles do not rise")
        return quantiles, int(found["samples"])
    except (KeyError, TypeError, ValueError) as e:
        raise AerunError(f"{folder / SCORES}: damaged: {e}.") from e


def codes(folder: Path, model: Autoencoder) -> Codes:
    """What is known of the training codes. AerunError where that is missing, damaged or another model's."""
    found = _bounded(folder, CODES, "Nothing is known of its codes", _arrays)
    elements, d = model.code_elements, model.bottleneck.latent_dim
    shapes = {"mean": (elements,), "low": (elements,), "high": (elements,), "units": (len(_SHARES), d)}
    shapes |= {"covariance": (elements, elements)} if "covariance" in found else {}
    for name, shape in shapes.items():
        if name not in found or found[name].shape != shape or found[name].dtype != np.float32:
            raise AerunError(f"{folder / CODES}: damaged: {name} is not of shape {shape}.")
    return Codes(found["mean"], found.get("covariance"), found["low"], found["high"], found["units"])


def _arrays(path: Path) -> Mapping[str, NDArray[np.float32]]:
    return {name: read_array(CODES, path, name) for name in names_of(path)}


def _bounded(folder: Path, name: str, lacks: str, read: Any) -> Any:
    path = folder / name
    if not path.is_file():
        raise AerunError(f"{path}: missing: {lacks}, for an older aerun left this run. Train it again.")
    if not path.resolve().is_relative_to(folder.resolve()) or path.stat().st_size > _BYTES:
        raise AerunError(f"{path}: leads outside of the run's folder, or is larger than {_BYTES >> 20} MiB.")
    try:
        return read(path)
    except Exception as e:
        raise AerunError(f"{path}: damaged: {(str(e) or type(e).__name__).splitlines()[0]}.") from e
