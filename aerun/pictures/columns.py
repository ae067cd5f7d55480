"""Tables: true against reconstructed values of each column, in its own units."""

from pathlib import Path

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.rows import stride_sample
from aerun.pictures.canvas.style import BLUE, Pixels, chart, pixels
from aerun.trained import Trained

CHEAP = IN_SWEEPS = True
_SAMPLES, _MOST, _ACROSS = 1000, 12, 4


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs a table with numbers in it."""
    facts = dataset.facts()
    if facts.kind != "table":
        return "draws tables only."
    return "needs a column of numbers." if facts.prepared_from is not None and not dataset.preparation().columns else ""


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw at most 1,000 validation rows, evenly over the split; of more than 12 columns those with the least R^2.

    R^2 = 1 - sum (v - v_hat)^2 / sum (v - mean v)^2 over the rows drawn that have a value.
    """
    names, own, rebuilt = _values(trained)
    there = ~own.isnan()
    mean = own.nanmean(0)
    total = torch.where(there, own - mean, 0.0).square().sum(0)
    fit = 1 - torch.where(there, rebuilt - own, 0.0).square().sum(0) / total.clamp_min(1e-300)
    moving = (total > 0).nonzero().flatten()
    order = sorted(moving[fit[moving].argsort()][:_MOST].tolist())
    across = min(_ACROSS, max(len(order), 1))
    with chart(-(-max(len(order), 1) // across), across, width=2.7, height=2.6) as (figure, axes):
        for ax, j in zip(axes, order, strict=False):
            rows = there[:, j]
            ax.scatter(own[rows, j], rebuilt[rows, j], s=7, color=BLUE, alpha=0.5, linewidths=0)
            low, high = (float(v) for v in own[rows, j].aminmax())
            ax.plot([low, high], [low, high], color="black", linewidth=0.8, linestyle=":")
            ax.set(xlabel="true", ylabel="reconstructed")
            ax.set_title(f"{_short(names[j])}: R² {float(fit[j]):.2f}", fontsize=8.5)
            ax.locator_params(nbins=5)
        for ax in axes[len(order) :]:
            ax.axis("off")
        which = f"the {len(order)} worst of {len(names)} columns" if len(names) > len(order) else f"{len(names)} columns"
        figure.suptitle(f"True against reconstructed, {len(own):,} validation rows, {which}; dotted: equal", fontsize=10)
        return pixels(figure)


def _values(trained: Trained) -> tuple[list[str], Tensor, Tensor]:
    """Return names of the columns, and their true and reconstructed values (n, columns) in own units."""
    model, stored = trained.autoencoder, stride_sample(trained.data.val, _SAMPLES).x.to(trained.device)
    columns = dict(model.preparation.columns) or {i: f"column {i}" for i in range(model.facts.stored[0])}
    at = torch.tensor(list(columns), device=stored.device)
    x = model.units(stored).to(next(model.arch.parameters()).dtype)
    rebuilt = model.preparation.inverse(model(x, **model.beside(stored)))[:, at].double().cpu()
    return list(columns.values()), model.facts.units(stored)[:, at].double().cpu(), rebuilt


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"
