"""Test images in grey under red where their errors are large: the highest scores, and some in the middle beside them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.dataset.normal import anomalies
from aerun.formats.pictures import overlay
from aerun.metrics.squared_error import of_elements
from aerun.pictures.canvas.rows import errors
from aerun.pictures.canvas.sheet import Row, images_only, sheet, shown
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = True
_SAMPLES = 8


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images."""
    return images_only(dataset)


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Return input and overlay of images of the test split, the score above each, as `aerun score --map` draws them.

    Opacity is the square root of the error of a pixel over that of the largest on the sheet.
    """
    test, model = trained.data.test, trained.autoencoder
    scores = errors(trained, test)
    order = scores.argsort(descending=True)
    count = min(_SAMPLES, len(test) // 2 or 1)
    middle = max(0, (len(test) - count) // 2)
    normal = trained.dataset.normal_classes
    truth = None if normal is None or test.y is None else anomalies(test, normal).cpu()
    picks = {"highest scores": order[:count], "middle": order[middle : middle + count]}
    stored = {word: trained.samples(test.take(index)) for word, index in picks.items()}
    squares = {word: of_elements(model(x), x).cpu() for word, x in stored.items()}
    most = max(float(e.sum(1).max()) for e in squares.values())
    about, rows = {"low": model.facts.low, "high": model.facts.high}, list[Row]()
    for word, index in picks.items():
        captions = [f"{v:.3g}" for v in scores[index].tolist()]
        if truth is not None:
            captions = [f"{c} !" if t else c for c, t in zip(captions, truth[index].tolist(), strict=True)]
        under = [overlay(x, e, most, about) for x, e in zip(_arrays(stored[word]), _arrays(squares[word]), strict=True)]
        red = torch.from_numpy(np.stack([np.asarray(u) for u in under])).permute(0, 3, 1, 2).float() / 255
        rows += [Row(word, shown(stored[word], model.facts), captions), Row("errors in red", red)]
    marked = "" if truth is None else "; ! is an anomaly"
    return sheet(rows, f"{len(test):,} test images by their scores: squared errors, in red where they are{marked}")


def _arrays(x: torch.Tensor) -> Any:
    return x.float().cpu().numpy()
