"""Images decoded from codes drawn from the prior, each above the training image nearest to it."""

from pathlib import Path

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Split
from aerun.pictures.canvas.rows import stride_sample
from aerun.pictures.canvas.sheet import Row, images_only, sheet, shown
from aerun.pictures.canvas.style import Pixels
from aerun.trained import Trained

CHEAP = False
_ROWS, _ACROSS, _MOST = 4, 10, 10_000


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs images, and codes that were trained to follow a prior."""
    if reason := images_only(dataset):
        return reason
    if not model.follows_prior:
        return "needs a model whose codes are trained to follow a prior, such as model=vae or regularizer=mmd."
    return ""


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw 40 samples of the prior, each with its nearest neighbour among 10,000 training samples.

    A sample that looks like its neighbour is a copy.
    """
    model, train = trained.autoencoder, stride_sample(trained.data.train, _MOST)
    val = stride_sample(trained.data.val, _ROWS * _ACROSS)
    like, c = (_repeated(t) for t in (trained.samples(val), trained.told(val)))
    assert like is not None
    x = model.decode(model.code_pass(like, c=c)["prior"].sample().to(like.dtype), c=c)
    near = trained.samples(train.take(_nearest(x, trained, train)))
    cells, beside = shown(x, model.facts, like), shown(near, model.facts)
    rows = []
    for part in torch.arange(len(x)).split(_ACROSS):
        rows += [Row("from the prior", cells[part]), Row("nearest", beside[part])]
    return sheet(rows, f"Decoded draws from the prior, above the nearest of {len(train):,} training samples")


def _repeated(x: Tensor | None) -> Tensor | None:
    """Return 40 samples (n, ...), repeated where they are fewer."""
    most = _ROWS * _ACROSS
    return None if x is None else x.repeat(-(-most // len(x)), *[1] * (x.ndim - 1))[:most]


def _nearest(x: Tensor, trained: Trained, train: Split) -> Tensor:
    """Return rows of the training samples with the least squared distance, (n,)."""
    best, where, first = torch.full((len(x),), torch.inf), torch.zeros(len(x), dtype=torch.long), 0
    for batch in trained.batches(train):
        distance, row = torch.cdist(x.flatten(1), batch.flatten(1)).cpu().min(1)
        closer = distance < best
        best, where = torch.where(closer, distance, best), torch.where(closer, row + first, where)
        first += len(batch)
    return where
