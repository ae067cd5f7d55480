"""Codes in the plane of their two largest principal components, coloured by label."""

from pathlib import Path

import numpy as np

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas import plane
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = True


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs a code of two numbers or more."""
    return plane.unsupported_reason(model)


def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw at most 2,000 validation samples; a code of two numbers is drawn as it is."""
    codes, samples = plane.sample_points(trained)
    if codes.shape[1] == 2:
        return plane.drawn(trained, codes, samples, codes, "The plane", ("unit 0", "unit 1"))
    centred = codes - codes.mean(0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    shares = values**2 / max(float((values**2).sum()), 1e-300)
    axes = (f"component 1 ({shares[0]:.0%} of the variance)", f"component 2 ({shares[1]:.0%})")
    return plane.drawn(trained, codes, samples, centred @ directions[:2].T, "PCA", axes)
