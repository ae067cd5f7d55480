"""Codes in the plane by t-SNE, which keeps neighbours and no distances, coloured by label."""

from pathlib import Path

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.subset import refuse_few
from aerun.pictures.canvas import plane
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = False
_PERPLEXITY = 30


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs a code of two numbers or more."""
    return plane.unsupported_reason(model)


def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw at most 2,000 validation samples, perplexity 30 (less for fewer than 91), started from PCA, the run's seed.

    Van der Maaten & Hinton 2008, https://jmlr.org/papers/v9/vandermaaten08a.html. Never cluster on it.
    """
    from sklearn.manifold import TSNE

    codes, samples = plane.sample_points(trained)
    refuse_few(len(codes), 10, "validation", "t-SNE")
    perplexity = min(_PERPLEXITY, (len(codes) - 1) // 3)
    points = TSNE(2, perplexity=perplexity, init="pca", random_state=trained.seed).fit_transform(codes)
    words = f"t-SNE (perplexity {perplexity})"
    return plane.drawn(trained, codes, samples, points.astype("float64"), words, None)
