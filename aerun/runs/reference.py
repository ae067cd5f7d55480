"""What a run writes down of its validation scores and training codes, so that its model is used without data."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.evaluate.scores import score
from aerun.evaluate.step_scores import Way, validation_steps
from aerun.evaluate.subset import subsample
from aerun.metrics.moments import moments
from aerun.runs import files, plain
from aerun.trained import Trained, gathered, sampled_codes

_MOST_SCORES = 100_000  # that are kept
_ROWS, _WIDEST = 20_000, 1024  # codes; numbers of a code up to which their covariance is kept
_SHARES = (0.025, 0.16, 0.33, 0.5, 0.67, 0.84, 0.975)
SCORES, CODES = "scores.json", "codes.npz"


@dataclass(frozen=True)
class Codes:
    """Training codes, flat.

    mean (E,), covariance (E, E) or nothing, smallest and largest values, and quantiles (7, d) of units. drawn: where codes are
    random the same of codes drawn from their posteriors, which a sampler must be like.
    """

    mean: NDArray[np.float32]
    covariance: NDArray[np.float32] | None
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    units: NDArray[np.float32]
    drawn: "Codes | None" = None

    def __repr__(self) -> str:
        return f"<aerun codes of training: {self.mean.size} numbers>"


@dataclass(frozen=True)
class Calibration:
    """Scores of normal validation samples, by which alarms are raised.

    scores: ascending, 64-bit. approximate: rebuilt from the 1,001 quantiles that an older aerun kept, so that what is promised
    of thresholds and p-values holds nearly. steps: the same of single steps, where samples are windows of series. blocks: the
    highest score of each stretch of as many steps as a window has; None, as steps, where an older aerun wrote none.
    """

    scores: NDArray[np.float64]
    approximate: bool = False
    steps: NDArray[np.float64] | None = None
    blocks: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        middle = f", median {np.median(self.scores):.4g}" if len(self.scores) else ""
        return f"<aerun calibration: {len(self.scores):,} validation scores{middle}>"


@torch.no_grad()
def write(trained: Trained, folder: Path) -> None:
    """Write scores.json, the sorted validation scores, and codes.npz, see `Codes`, of at most 20,000 training samples.

    Of more than 100,000 scores that many are drawn at random, always the same ones: what is promised of thresholds holds for a
    random part as it does for the whole.
    """
    val = trained.data.val
    val_scores = gathered((score(trained.exact, stored) for stored in trained.exact_batches(val)), len(val))
    kept = val_scores[torch.randperm(len(val_scores), generator=torch.Generator().manual_seed(0))[:_MOST_SCORES]].sort().values
    about = {"score": "mean squared error over real and seen elements", "samples": len(val_scores), "sorted": kept.tolist()}
    files.replace(folder, SCORES, json.dumps(about | step_scores(trained, Way())))
    split = subsample(trained.data.train, _ROWS, max(trained.autoencoder.code_elements, 400))
    codes = torch.cat([trained.autoencoder.encode(x, **beside) for x, beside in trained.known_batches(split)])
    arrays = _described(codes)
    if "posterior" in trained.autoencoder.bottleneck.offers:
        arrays |= {f"drawn_{k}": v for k, v in _described(sampled_codes(trained, split)).items() if k != "units"}
    with files.replaced(folder, CODES) as file:
        np.savez(file, **{k: v.cpu().numpy().astype(np.float32) for k, v in arrays.items()})  # type: ignore[arg-type]


def step_scores(trained: Trained, way: Way) -> dict[str, list[float]]:
    """Return `steps` and `blocks` of `Calibration`, ascending; nothing where samples are no windows of series.

    Of more than 100,000 steps some are drawn, of blocks as well.
    """
    known = validation_steps(trained, way)
    if known is None:
        return {}
    both = {"steps": known.score, "blocks": known.blocks(trained.autoencoder.facts.stored[0])}
    chosen = {k: v[np.random.default_rng(0).permutation(len(v))[:_MOST_SCORES]] for k, v in both.items()}
    return {k: [float(s) for s in np.sort(v)] for k, v in chosen.items()}


def _described(codes: Tensor) -> dict[str, Tensor]:
    """Return the arrays of `Codes`."""
    flat = codes.flatten(1).double().cpu()
    low, high = flat.aminmax(dim=0)
    arrays = {"mean": flat.mean(0), "low": low, "high": high, "units": _units(codes)}
    if flat.shape[1] <= _WIDEST:
        arrays["covariance"] = moments(lambda: iter([flat])).shrunk()
    return arrays


def _units(codes: Tensor) -> Tensor:
    """Return quantiles of each unit over samples and places, (7, d)."""
    rows = codes.flatten(2).movedim(1, -1).reshape(-1, codes.shape[1]) if codes.ndim > 2 else codes
    rows = rows[:: max(1, len(rows) // _ROWS)].double()
    return torch.quantile(rows, torch.tensor(_SHARES, dtype=rows.dtype, device=rows.device), dim=0)


def calibration(folder: Path) -> Calibration:
    """Return what is known of the validation scores. AerunError where that is missing or damaged."""
    table = _there(folder, SCORES, "No threshold is known", plain.json_table)
    try:
        approximate = "sorted" not in table
        kept = np.asarray(table["quantiles" if approximate else "sorted"], dtype=np.float64)
        steps, blocks = (None if table.get(k) is None else np.asarray(table[k], dtype=np.float64) for k in ("steps", "blocks"))
        for rising in (v for v in (kept, steps, blocks) if v is not None):
            if rising.ndim != 1 or not len(rising) or not np.isfinite(rising).all() or (np.diff(rising) < 0).any():
                raise ValueError("its scores do not rise")
        if approximate:
            count = min(max(1, int(table["samples"])), _MOST_SCORES)
            kept = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(kept)), kept)
        return Calibration(kept, approximate, steps, blocks)
    except KeyError as e:
        raise AerunError(f"{folder / SCORES}: damaged: it lacks {e}.") from e
    except (TypeError, ValueError, OverflowError) as e:
        raise AerunError(f"{folder / SCORES}: damaged: {plain.line_of(e)}.") from e


def codes(folder: Path, model: Autoencoder) -> Codes:
    """Return what is known of the training codes. AerunError where that is missing, damaged or another model's."""
    arrays = _there(folder, CODES, "Nothing is known of its codes", plain.arrays)
    known = _checked(folder, model, arrays, "")
    return replace_fields(known, drawn=_checked(folder, model, arrays, "drawn_")) if "drawn_mean" in arrays else known


def _checked(folder: Path, model: Autoencoder, arrays: Mapping[str, NDArray[np.float32]], prefix: str) -> Codes:
    """Return the arrays whose names begin with `prefix`; `units` are those of deterministic codes."""
    elements, d = model.code_elements, model.bottleneck.latent_dim
    shapes = {f"{prefix}{name}": (elements,) for name in ("mean", "low", "high")} | {"units": (len(_SHARES), d)}
    shapes |= {f"{prefix}covariance": (elements, elements)} if f"{prefix}covariance" in arrays else {}
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise AerunError(f"{folder / CODES}: damaged: {name} is not of shape {shape}.")
    mean, low, high = (arrays[f"{prefix}{name}"] for name in ("mean", "low", "high"))
    return Codes(mean, arrays.get(f"{prefix}covariance"), low, high, arrays["units"])


def _there(folder: Path, name: str, lacks: str, read: Callable[[Path, str], Any]) -> Any:
    if not files.exists(folder, name):
        raise AerunError(f"{folder / name}: missing: {lacks}, for an older aerun left this run. Train it again.")
    return read(folder, name)
