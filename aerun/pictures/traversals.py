"""What each unit of the code does: one is moved through its range, the others stay."""

from pathlib import Path

import torch

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.code import centre, continuous_image, decoded
from aerun.pictures.canvas.sheet import Row, sheet, shown, signed
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = False
_UNITS = 16
_SHARES = (0.025, 0.16, 0.33, 0.5, 0.67, 0.84, 0.975)


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images and a code that can be moved."""
    return continuous_image(model, dataset)


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw what each unit does when it goes through quantiles of its own values, from the code nearest to the mean.

    At most 16 units: those that change the output most from their first to their last quantile. That change stands at the end,
    all on one scale.
    """
    middle, model = centre(trained), trained.autoencoder
    shares = torch.tensor(_SHARES, dtype=middle.units.dtype, device=middle.units.device)
    values = torch.quantile(middle.units.double(), shares.double(), dim=0).to(middle.units)  # (7, d)
    ends = [
        torch.cat([decoded(model, middle.moved(j, values[[0, -1], j]), middle) for j in part])
        for part in _parts(values.shape[1])
    ]
    both = torch.cat(ends).unflatten(0, (-1, 2))
    effect = (both[:, 1] - both[:, 0]).flatten(1).square().sum(1)
    best = effect.argsort(descending=True)[:_UNITS].tolist()
    most = (both[:, 1] - both[:, 0])[best].mean(1).abs().max().clamp_min(1e-12)
    rows = []
    for j in best:
        cells = shown(decoded(model, middle.moved(j, values[:, j]), middle), model.facts).expand(-1, 3, -1, -1)
        rows.append(Row(f"unit {j}", torch.cat([cells, signed(both[j, 1:] - both[j, :1], most)])))
    title = f"Each unit through quantiles of its values; {len(best)} of {len(effect)} units, largest change first"
    return sheet(rows, title, heads=[*(f"{100 * s:g} %" for s in _SHARES), "change"])


def _parts(units: int) -> list[list[int]]:
    return [list(range(first, min(first + 64, units))) for first in range(0, units, 64)]
