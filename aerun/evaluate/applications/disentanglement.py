"""Does each unit stand for one factor of the data? Against the same code rotated, which holds the same and has no axes."""

import statistics

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split
from aerun.evaluate.outcome import Outcome
from aerun.metrics.disentanglement import dci, gap, matched, separated
from aerun.trained import Trained

WHO = ("model", "rotated", "pca")
METRICS = {
    "mig": "max",
    "sap": "max",
    "mcc": "max",
    "mcc_least": "max",
    "dci": "max",
    "completeness": "max",
    "informativeness": "max",
}
_ROTATIONS, _WIDEST, _ENOUGH, _MOST = 10, 256, 1000, 10_000
_FOREST, _FOREST_ROTATIONS = 2000, 3


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Needs factors that are known, and a code that is not too wide to be searched unit by unit."""
    if dataset.factors() is None:
        return "needs data whose factors are known, such as dataset=factors or sprites"
    return f"needs a code of at most {_WIDEST} numbers" if model.code_elements > _WIDEST else ""


def evaluate(trained: Trained) -> Outcome:
    """Return mig, sap, mcc (the mean over factors; mcc_least: the worst factor), dci, completeness, informativeness.

    See `metrics/disentanglement.py`. Of the test samples, at most 10,000; of all three splits where the test split has fewer
    than 1,000. rotated: the median over 10 random rotations of the model's code (3 for the forests of dci); pca: as many
    components.
    """
    factors = trained.dataset.factors()
    assert factors is not None
    data, known = _shown(trained.data, factors)
    codes = {"model": trained.codes(data), "pca": trained.pca.codes(trained.flat(data))}
    z = {who: x.double().cpu() for who, x in codes.items()}
    g = torch.Generator().manual_seed(trained.seed)
    d = z["model"].shape[1]
    turns = [torch.linalg.qr(torch.randn(d, d, generator=g, dtype=torch.float64))[0] for _ in range(_ROTATIONS)]
    turned = [_scores(z["model"] @ turn, known, forest=i < _FOREST_ROTATIONS) for i, turn in enumerate(turns)]
    rotated = {k: statistics.median(row[k] for row in turned if k in row) for k in METRICS}
    figures = {"model": _scores(z["model"], known), "rotated": rotated, "pca": _scores(z["pca"], known)}
    return Outcome(figures, f"{len(known):,} samples, {known.shape[1]} factors; rotated: the median of {_ROTATIONS} rotations")


def _shown(data: Data, factors: Data) -> tuple[Split, Tensor]:
    """Return samples and their factors."""
    parts = ("test",) if len(data.test) >= _ENOUGH else ("train", "val", "test")
    x, known = (torch.cat([getattr(splits, part).x for part in parts]) for splits in (data, factors))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:_MOST]
    return Split(x[order], None), known[order]


def _scores(z: Tensor, known: Tensor, forest: bool = True) -> dict[str, float]:
    own = matched(z, known)
    found = {
        "mig": gap(z, known),
        "sap": separated(z, known),
        "mcc": float(own.mean()),
        "mcc_least": float(own.min()),
    }
    return {**found, **dci(z[:_FOREST], known[:_FOREST])} if forest else found
