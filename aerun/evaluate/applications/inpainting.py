"""How well is what is hidden filled in? Judged inside of the hole alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.facts import valid_weight
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.restoration import clamped, first, in_parts, pooled_psnr, rows_of, span
from aerun.metrics.moments import WIDEST, Conditional, moments
from aerun.trained import Trained, filled

WHO = ("model", "zero", "mean", "copy", "lmmse")
METRICS = {"psnr": "max", "centre_psnr": "max", "whole_psnr": "max"}
_CENTRE = 10 / 28  # side of the centre hole over that of the sample
_ROWS = 20_000  # training samples that are copied from

Fill = Callable[..., Tensor]  # of x, hole, valid, c, seen


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why holes cannot be filled here, or nothing: the model must have learned to fill them."""
    if dataset.facts().tokens:
        return "needs numbers, and text has none"
    if not model.corruption.hides:
        return "needs model/corruption=block, irregular, time_dropout or masking: holes to fill in"
    return ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return psnr, centre_psnr and whole_psnr of restored test samples.

    The first 1,000 test samples are used, fewer where they are large: once with holes drawn as in training, and once with one
    in the middle, 10/28 of each side (of sequences: of the steps; tables have no middle). Only what is hidden is taken from the
    restored sample.

    psnr and centre_psnr: pooled over hidden elements, in dB, for the two kinds of holes. whole_psnr: of whole samples with the
    holes of training, which flatters, for what is visible is right anyway. Rows: zero; mean, the training mean; copy, the same
    place of that of the first 20,000 training samples which is nearest in what is visible; lmmse, the mean of a Gaussian
    with the training covariance given what is visible (not above 4,096 features).
    """
    model, facts = trained.autoencoder, trained.autoencoder.facts
    x, valid, c, seen = first(trained, trained.data.test)
    real = torch.ones_like(x) * valid_weight(valid, x) * _recorded(trained, x)
    holes = {"": model.corrupted(x, seen)["mask"]}
    if facts.kind != "table":
        holes["centre_"] = _centre(x, facts.kind)
    reach, figures = span(facts, x), dict[str, dict[str, float]]()
    for who, fill in _fills(trained).items():
        figures[who] = {}
        for name, hole in holes.items():
            restored = torch.where(hole, clamped(fill(x, hole, valid, c, seen), facts), x)
            figures[who][f"{name}psnr"] = pooled_psnr(restored, x, hole * real, reach)
            if not name:
                figures[who]["whole_psnr"] = pooled_psnr(restored, x, real, reach)
    hidden = float((holes[""] * real).sum() / real.sum())
    return Outcome(
        figures, f"first {len(x):,} test samples, one draw of holes that hide {100 * hidden:.0f} %; psnr inside of them"
    )


def _recorded(trained: Trained, x: Tensor) -> Tensor | float:
    """Return 1 for elements of x, the first test samples, that say what a value was: neither missing cells nor their marks."""
    stored = trained.data.test.x[: len(x)].to(trained.device)
    known = trained.autoencoder.values(stored)
    return 1.0 if known is None else known.to(x.dtype)


def _centre(x: Tensor, kind: str) -> Tensor:
    mask = torch.ones_like(x, dtype=torch.bool)
    for axis in (2, 3) if kind == "image" else (1,):
        side = x.shape[axis]
        size = max(1, round(side * _CENTRE))
        place = torch.arange(side, device=x.device)
        inside = (place >= (side - size) // 2) & (place < (side - size) // 2 + size)
        mask = mask & inside.reshape(-1, *[1] * (x.ndim - 1 - axis))
    return mask


def _fills(trained: Trained) -> dict[str, Fill]:
    model, mean, data = trained.autoencoder, trained.mean, trained.data

    def restore(x: Tensor, hole: Tensor, *about: Tensor | None) -> Tensor:
        mask = hole if model.corruption.shows_mask else None
        return in_parts(model, rows_of(model), x.masked_fill(hole, model.corruption.fill), mask, *about)

    fills: dict[str, Fill] = {
        "model": restore,
        "zero": lambda x, *_: torch.zeros_like(x),
        "mean": lambda x, *_: mean.expand_as(x),
        "copy": lambda x, hole, valid, *_: _nearest(trained, filled(x, valid, mean), hole),
    }
    if model.facts.size <= WIDEST:
        conditional = Conditional(moments(lambda: (filled(x, v, mean) for x, v in trained.valid_batches(data.train))))
        fills["lmmse"] = lambda x, hole, valid, *_: conditional(filled(x, valid, mean), hole)
    return fills


def _nearest(trained: Trained, x: Tensor, hole: Tensor) -> Tensor:
    """Return the training samples that are nearest to each of x in what is visible."""
    seen = (~hole).flatten(1).to(x.dtype)
    own, best, rest = x.flatten(1) * seen, x.new_full((len(x),), torch.inf), _ROWS
    copies = torch.zeros_like(x)
    for part, valid in trained.valid_batches(trained.data.train):
        other = filled(part, valid, trained.mean)[:rest]
        flat = other.flatten(1)
        near = (seen @ flat.square().t() - 2 * own @ flat.t()).min(1)
        closer = near.values < best
        best = torch.where(closer, near.values, best)
        copies[closer] = other[near.indices[closer]]
        rest -= len(other)
        if rest <= 0:
            break
    return copies
