"""Fixed held-out images: input, what the encoder saw, reconstruction, error; in TensorBoard as training goes."""

from pathlib import Path

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.seeding import seed_all
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Split
from aerun.pictures.canvas.rows import stride_sample
from aerun.pictures.canvas.sheet import Row, sheet, shown, signed, span
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = IN_SWEEPS = True
_SAMPLES = 8


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images; sequences and tables have pictures of their own."""
    return "" if dataset.facts().kind == "image" else "draws images only (sequences and columns draw what is none)."


def samples(val: Split) -> Tensor:
    """Return the stored samples that are drawn: evenly over the validation split."""
    return stride_sample(val, _SAMPLES).x


def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw them with the weights as they are."""
    return page(trained.autoencoder, samples(trained.data.val).to(trained.device))


@torch.no_grad()
def page(model: Autoencoder, stored: Tensor) -> Pixels:
    """Return rows: input, what the encoder saw where that is another (noise fixed), reconstruction, error x_hat - x.

    (H, W, 3) bytes.

    Values are shown on the data's own range; the error is vermilion where the model is too bright, blue where it is too
    dark, full at half of that range.
    """
    x = model.units(stored.float() if not stored.is_floating_point() else stored)
    seed_all(0)
    corrupted = model.corrupted(x)
    x_hat = model(corrupted["x_in"], corrupted.get("mask"), c=model.known(stored))
    facts = model.facts
    rows = [
        Row("input", shown(x, facts)),
        *([Row("encoder saw", shown(corrupted["x_in"], facts, x))] if model.corruption.alters else []),
        Row("reconstruction", shown(x_hat, facts, x)),
        Row("error", signed(x_hat - x, span(x, facts) / 2)),
    ]
    title = "Held-out samples. Error: orange too bright, blue too dark, full colour at half of the data's range"
    return sheet(rows, title)
