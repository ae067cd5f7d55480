"""Codes for TensorBoard's Embedding Projector, with thumbnails and labels (files, no PNG)."""

from pathlib import Path

from PIL import Image
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.text import shown_line
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Split
from aerun.pictures.canvas.rows import errors, stride_sample
from aerun.pictures.canvas.sheet import resized, shown
from aerun.runs import files
from aerun.trained import Trained

CHEAP = True
CONFIG = "projector_config.pbtxt"
_MOST, _SIDE = 1000, 40
_CONFIG = """embeddings {{
  tensor_name: "codes"
  tensor_path: "projector/codes.tsv"
  metadata_path: "projector/labels.tsv"
{sprite}}}
"""
_SPRITE = """  sprite {{
    image_path: "projector/thumbnails.png"
    single_image_dim: {side}
    single_image_dim: {side}
  }}
"""


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return the Projector turns points in space."""
    return "" if model.code_elements >= 2 else "needs a code of at least 2 numbers."


def draw(trained: Trained, folder: Path) -> None:
    """Write projector_config.pbtxt and projector/: codes, labels with errors, of images a sheet of thumbnails.

    At most 1,000 validation samples, evenly over the split.
    """
    samples = stride_sample(trained.data.val, _MOST)
    codes = trained.codes(samples).cpu()
    lines = "".join("\t".join(f"{v:.6g}" for v in row) + "\n" for row in codes.tolist())
    files.replace(folder, "projector/codes.tsv", lines)
    files.replace(folder, "projector/labels.tsv", _labels(trained, samples))
    sprite = ""
    if trained.autoencoder.facts.kind == "image":
        with files.replaced(folder, "projector/thumbnails.png") as file:
            _thumbnails(shown(trained.samples(samples), trained.autoencoder.facts)).save(file, "PNG")
        sprite = _SPRITE.format(side=_SIDE)
    files.replace(folder, CONFIG, _CONFIG.format(sprite=sprite))


def configs() -> list[str]:
    """Return every content that a run's projector_config.pbtxt may have."""
    return [_CONFIG.format(sprite=sprite) for sprite in ("", _SPRITE.format(side=_SIDE))]


def _labels(trained: Trained, samples: Split) -> str:
    """Return one line a sample; the first says what the columns are."""
    names = trained.dataset.class_names
    numbers = [-1] * len(samples) if samples.y is None else samples.y.tolist()
    words = [names[int(n)] if 0 <= n < len(names) else str(n) for n in numbers]
    sample_errors = errors(trained, samples).tolist()
    lines = [f"{shown_line(word)}\t{e:.4g}" for word, e in zip(words, sample_errors, strict=True)]
    return "\n".join(["label\tsquared error", *lines]) + "\n"


def _thumbnails(cells: Tensor) -> Image.Image:
    """Return row by row in a square sheet, as the Projector reads them."""
    across = next(k for k in range(1, len(cells) + 1) if k * k >= len(cells))
    page = Image.new("RGB", (across * _SIDE, across * _SIDE), "white")
    for i, cell in enumerate(cells):
        page.paste(resized(cell, _SIDE), (i % across * _SIDE, i // across * _SIDE))
    return page
