"""Does the code find samples of the same class? Test samples are ranked by their distance to a query."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.subset import subsample
from aerun.metrics.neighbours import distances
from aerun.metrics.ranking import average_precision, precision_at
from aerun.trained import Trained

WHO = ("model", "model_cosine", "raw", "raw_cosine", "pca")
METRICS = {"map": "max", "p_at_10": "max"}
_QUERIES, _MOST, _FIRST, _ROWS = 500, 10_000, 10, 50


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why samples cannot be retrieved here, or nothing: classes are needed to say which ones are relevant."""
    return "needs labels" if dataset.facts().classes is None else dataset.label_told


def evaluate(trained: Trained) -> Outcome:
    """Return map and p_at_10 of rankings of test samples by their distance to a query.

    map: mean over queries of the average precision over the full ranking; p_at_10: share of the query's class among the first
    10. Rows rank by Euclidean distance, or by the cosine (raw: about the origin). 500 test samples, at most half of them, are
    queries, the others, at most 9,500, the database: no query is in it. Queries whose class is not in the database are left
    out. Raises AerunError where that leaves none.
    """
    size = max(trained.autoencoder.facts.size, trained.autoencoder.code_elements)
    test = subsample(trained.data.test, _MOST, size)
    queries = min(_QUERIES, len(test) // 2)
    assert test.y is not None
    y = test.y.to(trained.device)
    rows = torch.arange(queries, device=y.device)[torch.isin(y[:queries], y[queries:])]
    if not len(rows):
        raise AerunError("no two test samples have the same class.")
    codes, flat = trained.codes(test), trained.flat(test)
    spaces = {
        "model": codes,
        "model_cosine": normalize(codes, dim=1),
        "raw": flat,
        "raw_cosine": normalize(flat, dim=1),
        "pca": trained.pca.codes(flat),
    }
    figures = {who: scores(x[rows], y[rows], x[queries:], y[queries:]) for who, x in spaces.items()}
    return Outcome(figures, f"{len(rows):,} test samples ask, {len(test) - queries:,} others are ranked; no draws")


def scores(queries: Tensor, wanted: Tensor, base: Tensor, y: Tensor) -> dict[str, float]:
    """Return the mean average precision and the precision at 10.

    queries: (q, d), of the classes `wanted` (q,). base: (m, d), of the classes y (m,).
    """
    ap, first, done = 0.0, 0.0, 0
    for block in distances(queries, base, _ROWS):
        relevant = y[block.argsort(1)] == wanted[done : done + len(block), None]
        ap, first = ap + float(average_precision(relevant).sum()), first + float(precision_at(relevant, _FIRST).sum())
        done += len(block)
    return {"map": ap / done, "p_at_10": first / done}
