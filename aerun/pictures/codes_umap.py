"""Codes in the plane by UMAP, coloured by label; needs the package umap-learn."""

from importlib.util import find_spec
from pathlib import Path

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.subset import refuse_few
from aerun.pictures.canvas import plane
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = False


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs a code of two numbers or more, and UMAP."""
    return plane.unsupported_reason(model) or ("" if find_spec("umap") else "needs UMAP: pip install umap-learn.")


def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw at most 2,000 validation samples, 15 neighbours, the run's seed.

    McInnes et al. 2018, https://arxiv.org/abs/1802.03426.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fixed seed means one thread: umap warns of that every time
        from umap import UMAP

        codes, samples = plane.sample_points(trained)
        refuse_few(len(codes), 10, "validation", "UMAP")
        points = UMAP(n_neighbors=min(15, len(codes) - 1), random_state=trained.seed).fit_transform(codes)
    return plane.drawn(trained, codes, samples, points.astype("float64"), "UMAP (15 neighbours)", None)
