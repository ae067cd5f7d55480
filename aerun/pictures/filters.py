"""What the first layer of the encoder looks for: its weights as images."""

from pathlib import Path

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.sheet import Row, images_only, sheet, signed
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = False
_ACROSS, _MOST = 12, 96


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images and an encoder whose first layer is an affine map of them."""
    if reason := images_only(dataset):
        return reason
    return "" if model.arch.encoder_weights() else "needs an encoder that starts with weights on the input."


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Return each on its own scale, orange positive, blue negative, colour channels averaged.

    At most 96, the largest norm first.
    """
    images = _images(trained.autoencoder)
    order = images.flatten(1).norm(dim=1).argsort(descending=True)[:_MOST]
    title = f"Weights of the encoder's first layer, {len(order)} of {len(images)}, largest norm first: orange +, blue -"
    return framed(images[order], title)


def framed(x: Tensor, title: str) -> Pixels:
    """Return (n, C, H, W), each on its own scale, in a grid."""
    cells = signed(x, x.mean(1, keepdim=True).abs().flatten(1).amax(1).clamp_min(1e-12).view(-1, 1, 1, 1))
    return sheet([Row("", part) for part in cells.split(_ACROSS)], title, framed=True)


def _images(model: Autoencoder) -> Tensor:
    """Return (units, C, H, W); weights on a mask beside the input are left out."""
    weight, shape = model.arch.encoder_weights()[0].detach(), model.facts.shape
    if weight.ndim > 2:
        return weight[:, : shape[0]]
    return weight[:, : model.facts.size].reshape(-1, *shape)
