"""The best and the worst reconstructed images of the validation split."""

from pathlib import Path

import torch

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.rows import errors
from aerun.pictures.canvas.sheet import Row, images_only, sheet, shown, signed, span
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = True
_SAMPLES = 8


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images."""
    return images_only(dataset)


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Return input, reconstruction and error of clean samples, their squared error above them.

    All validation samples are judged.
    """
    val, model = trained.data.val, trained.autoencoder
    sample_errors = errors(trained, val)
    order = sample_errors.argsort()
    count = min(_SAMPLES, len(val) // 2 or 1)
    rows = []
    for word, index in (("best", order[:count]), ("worst", order.flip(0)[:count])):
        x = trained.samples(val.take(index))
        x_hat = model(x)
        rows += [
            Row(f"{word}: input", shown(x, model.facts), [f"SE {v:.3g}" for v in sample_errors[index].tolist()]),
            Row("reconstruction", shown(x_hat, model.facts, x)),
            Row("error", signed(x_hat - x, span(x, model.facts) / 2)),
        ]
    title = f"Best and worst of {len(val):,} validation samples by squared error (SE); median {sample_errors.median():.3g}"
    return sheet(rows, title)
