"""What each size of a nested code keeps: held-out images rebuilt from more and more of their first units."""

from pathlib import Path

import torch

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.sheet import Row, sheet, shown
from aerun.pictures.canvas.style import Pixels
from aerun.pictures.reconstructions import samples
from aerun.trained import Trained

CHEAP = True


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images, and codes that can be cut."""
    if not model.sizes:
        return "its codes have one size. regularizer=nested trains every prefix as a code of its own."
    return "" if dataset.facts().kind == "image" else "draws images only."


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw a row for each size, the input above them."""
    model, facts = trained.autoencoder, trained.autoencoder.facts
    stored = samples(trained.data.val).to(trained.device)
    x, beside = model.units(stored).to(next(model.arch.parameters()).dtype), model.beside(stored)
    piece, h = model.bottleneck.piece, model.features(x, **beside)
    rows = [
        Row(f"{size} of {max(model.sizes)} {piece}s", shown(model.decode(model.first_of(h, size), **beside), facts, x))
        for size in model.sizes
    ]
    return sheet([Row("input", shown(x, facts)), *rows], f"Held-out samples from the first {piece}s of their codes")
