"""What each unit of the code adds to the output: the atoms of the decoder."""

from pathlib import Path

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.code import centre, continuous_image, responses
from aerun.pictures.canvas.style import Pixels
from aerun.pictures.filters import framed
from aerun.trained import Trained

CHEAP = False
_MOST = 96


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images and a code that can be moved."""
    return continuous_image(model, dataset)


def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw half the change of the output when a unit goes from one standard deviation below to one above.

    About the code nearest to the mean; for a linear decoder these are its columns. At most 96, the largest first, each on its
    own scale.
    """
    changes = responses(trained, centre(trained))
    order = changes.flatten(1).norm(dim=1).argsort(descending=True)[:_MOST]
    title = f"Change of the output with each unit, {len(order)} of {len(changes)}, largest first: orange brighter, blue darker"
    return framed(changes[order], title)
