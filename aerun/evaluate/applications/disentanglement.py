"""Does each unit stand for one factor of the data? Against the same code rotated, which holds the same and has no axes."""

import statistics

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Data, Split
from aerun.evaluate.outcome import Outcome
from aerun.metrics.disentanglement import dci, factor_vae_score, gap, matched, modularity, separated
from aerun.trained import Trained

WHO = ("model", "rotated", "pca")
METRICS = {
    "mig": "max",
    "sap": "max",
    "mcc": "max",
    "mcc_least": "max",
    "modularity": "max",
    "factor_vae": "max",
    "dci": "max",
    "completeness": "max",
    "informativeness": "max",
}
_ROTATIONS, _WIDEST, _ENOUGH, _MOST = 10, 256, 1000, 10_000
_FOREST, _FOREST_ROTATIONS = 2000, 3


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why factors cannot be looked for here, or nothing.

    The factors must be known, and the code narrow enough to be searched unit by unit.
    """
    if dataset.factors() is None:
        return "needs data whose factors are known, such as dataset=factors or sprites"
    return f"needs a code of at most {_WIDEST} numbers" if model.code_elements > _WIDEST else ""


def evaluate(trained: Trained) -> Outcome:
    """Return mig, sap, mcc, mcc_least, modularity, factor_vae, dci, completeness and informativeness of the code.

    Factors that never vary are left out. mcc is the mean over factors, mcc_least the worst factor. See
    `metrics/disentanglement.py`. Of the test samples at most 10,000 are used; of all three splits where the test split has
    fewer than 1,000. rotated: the median over 10 random rotations of the model's code (3 for modularity, factor_vae and dci);
    pca: as many components.
    """
    factors = trained.dataset.factors()
    assert factors is not None
    data, every = _shown(trained.data, factors)
    truth = every[:, (every != every[:1]).any(0)]
    if not truth.shape[1]:
        raise AerunError(f"no factor varies over {len(every):,} samples.")
    codes = {"model": trained.codes(data), "pca": trained.pca.codes(trained.flat(data))}
    z = {who: x.double().cpu() for who, x in codes.items()}
    g = torch.Generator().manual_seed(trained.seed)
    d = z["model"].shape[1]
    turns = [torch.linalg.qr(torch.randn(d, d, generator=g, dtype=torch.float64))[0] for _ in range(_ROTATIONS)]
    turned = [_scores(z["model"] @ turn, truth, forest=i < _FOREST_ROTATIONS) for i, turn in enumerate(turns)]
    rotated = {k: statistics.median(row[k] for row in turned if k in row) for k in METRICS}
    figures = {"model": _scores(z["model"], truth), "rotated": rotated, "pca": _scores(z["pca"], truth)}
    gone = every.shape[1] - truth.shape[1]
    note = f"{len(truth):,} samples, {truth.shape[1]} factors{f' ({gone} more that never vary are left out)' if gone else ''}"
    return Outcome(figures, f"{note}; rotated: the median of {_ROTATIONS} rotations")


def _shown(data: Data, factors: Data) -> tuple[Split, Tensor]:
    """Return the samples that are used, and their factors."""
    parts = ("test",) if len(data.test) >= _ENOUGH else ("train", "val", "test")
    x, truth = (torch.cat([getattr(splits, part).x for part in parts]) for splits in (data, factors))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:_MOST]
    return Split(x[order], None), truth[order]


def _scores(z: Tensor, truth: Tensor, forest: bool = True) -> dict[str, float]:
    own = matched(z, truth)
    scores = {
        "mig": gap(z, truth),
        "sap": separated(z, truth),
        "mcc": float(own.mean()),
        "mcc_least": float(own.min()),
    }
    if not forest:
        return scores
    further = {"modularity": modularity(z, truth), "factor_vae": factor_vae_score(z, truth)}
    return {**scores, **further, **dci(z[:_FOREST], truth[:_FOREST])}
