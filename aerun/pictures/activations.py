"""Histograms of the activations: of each unit of the code, and of all together."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.rows import grids, stride_sample
from aerun.pictures.canvas.style import AMOUNT, BLUE, Pixels, bins, chart, log, pixels, whole
from aerun.trained import Trained

CHEAP = True
_INACTIVE, _NOTHING = 0.1, 1e-12  # standard deviations
_SAMPLES, _STILL, _LEAST = 2000, 0.01, 0.01


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return every code has units."""
    return ""


def draw(trained: Trained, folder: Path) -> Pixels:
    """Return codes of at most 2,000 validation samples, evenly over the split; units in order of their deviation.

    A unit is called still where its standard deviation is below a hundredth of the largest one's, or of the codes' root mean
    square; of a code with a posterior, where its variance is at most 0.01, as in `codes/active`.
    """
    from matplotlib.colors import LogNorm

    samples = stride_sample(trained.data.val, _SAMPLES)
    codes = grids(trained, samples).double().cpu()
    values = codes.flatten(2).movedim(1, -1).reshape(-1, codes.shape[1]).numpy() if codes.ndim > 2 else codes.numpy()
    deviation = values.std(0)
    values = values[:, deviation.argsort()[::-1]]
    low, high = np.quantile(values, (0.001, 0.999))
    edges = np.linspace(low, high if high > low else low + 1, bins(len(values)) + 1)
    counts = np.stack([np.histogram(column.clip(edges[0], edges[-1]), edges)[0] for column in values.T], 1)
    with chart(1, 2, width=4.8, height=3.4) as (figure, (ax, every_unit)):
        share = (counts / counts.max(0, keepdims=True)).clip(_LEAST, 1)
        mesh = ax.pcolormesh(np.arange(values.shape[1] + 1) - 0.5, edges, share, cmap=AMOUNT, norm=LogNorm(_LEAST, 1))
        ax.grid(visible=False)
        ax.set(xlabel="units, largest deviation first", ylabel="activation")
        whole(ax)
        still = int((deviation < _least_motion(trained, values)).sum())
        ax.set_title(f"{still} of {values.shape[1]} units stand still")
        figure.colorbar(mesh, ax=ax, label="of the unit's fullest bin, log scale")
        every_unit.stairs(counts.sum(1), edges, color=BLUE, fill=True)
        every_unit.set(xlabel="activation", ylabel="count, log scale")
        every_unit.locator_params(axis="x", nbins=6)
        log(every_unit, "y")
        every_unit.set_title(f"all units, {len(samples):,} validation samples; exactly 0: {(values == 0).mean():.0%}")
        return pixels(figure)


def _least_motion(trained: Trained, values: NDArray[np.float64]) -> float:
    """Return the standard deviation below which a unit stands still."""
    least = _STILL * max(float(values.std(0).max()), float(np.sqrt(np.square(values).mean())), _NOTHING)
    return max(least, _INACTIVE) if "posterior" in trained.autoencoder.bottleneck.offers else least
