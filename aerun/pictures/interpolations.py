"""From one image to another through the code."""

from pathlib import Path

import torch
from torch import Tensor

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

    Straight lines; great circles where the code follows a normal distribution (White 2016, https://arxiv.org/abs/1609.04468).
    """
    model = trained.autoencoder
    refuse_few(len(trained.data.val), 2, "validation", "an interpolation")
    pairs = stride_sample(trained.data.val, 2 * _PAIRS)
    x, z, c = trained.samples(pairs), grids(trained, pairs), trained.told(pairs)
    round_ = "posterior" in model.bottleneck.offers
    rows = []
    for a in range(0, len(x) - 1, 2):
        line = (circle if round_ else straight)(z[a], z[a + 1], torch.linspace(0, 1, _STEPS).to(z))
        cells = torch.cat(
            [x[a : a + 1], model.decode(line, c=None if c is None else c[a : a + 1].expand(len(line), -1)), x[a + 1 : a + 2]]
        )
        rows.append(Row("", shown(cells, model.facts)))
    heads = ["input", *(f"{i / (_STEPS - 1):.3g}" for i in range(_STEPS)), "input"]
    return sheet(
        rows, f"Interpolations between codes of validation samples, {'spherical' if round_ else 'linear'}", heads=heads
    )


def straight(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return (1 - t) a + t b, (len(t), *a.shape)."""
    return torch.lerp(a[None], b[None], t.view(-1, *[1] * a.ndim))


def circle(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return (sin((1 - t) w) a + sin(t w) b) / sin w, w the angle between a and b.

    The straight line where that is next to 0 or pi.
    """
    w = torch.acos(((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)).clamp(-1, 1))
    if w.sin() < 1e-3:
        return straight(a, b, t)
    t = t.view(-1, *[1] * a.ndim)
    return (torch.sin((1 - t) * w) * a + torch.sin(t * w) * b) / w.sin()
