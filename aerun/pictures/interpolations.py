"""From one image to another through the code."""

from pathlib import Path

import torch

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.subset import refuse_few
from aerun.pictures.canvas.code import continuous_image
from aerun.pictures.canvas.rows import grids, stride_sample
from aerun.pictures.canvas.sheet import Row, sheet, shown
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = False
_PAIRS, _STEPS = 6, 9


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images and a code with something between two codes."""
    return continuous_image(model, dataset)


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Return pairs of validation samples, evenly over the split; the outer columns are the samples themselves.

    Straight lines; great circles where the code follows a normal distribution (White 2016, https://arxiv.org/abs/1609.04468) or
    is a direction, geodesics of another curved space.
    """
    model = trained.autoencoder
    refuse_few(len(trained.data.val), 2, "validation", "an interpolation")
    pairs = stride_sample(trained.data.val, 2 * _PAIRS)
    x, z, c = trained.samples(pairs), grids(trained, pairs), trained.told(pairs)
    rows = []
    for a in range(0, len(x) - 1, 2):
        line = model.bottleneck.between(z[a], z[a + 1], torch.linspace(0, 1, _STEPS).to(z))
        cells = torch.cat(
            [x[a : a + 1], model.decode(line, c=None if c is None else c[a : a + 1].expand(len(line), -1)), x[a + 1 : a + 2]]
        )
        rows.append(Row("", shown(cells, model.facts)))
    heads = ["input", *(f"{i / (_STEPS - 1):.3g}" for i in range(_STEPS)), "input"]
    return sheet(rows, f"Interpolations between codes of validation samples, {model.bottleneck.way}", heads=heads)
