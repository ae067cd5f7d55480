"""How well a score separates anomalies from normal samples; a higher score is more anomalous."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.metrics.conformal import alarms, threshold

METRICS = {"auroc": "max", "auprc": "max", "fpr95": "min", "false_alarm": "min", "detected": "max", "ratio": "max"}


def scores(score: Tensor, truth: Tensor, normal: Tensor, alpha: float) -> dict[str, float]:
    """Return auroc, auprc, fpr95, false_alarm and detected of scores (n,), with `truth` (n,) True for anomalies.

    auprc: average precision, to be compared with the prevalence; fpr95: the smallest false positive rate at which at least 95 %
    of the anomalies are found; false_alarm, detected: the shares of normal and anomalous test samples above the conformal
    threshold, at `alpha`, of the scores `normal` of normal validation samples.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    y, s = truth.cpu().numpy(), score.double().cpu().numpy()
    above = alarms(s, threshold(normal.double().cpu().numpy(), alpha))
    s = np.unique(np.where(np.isnan(s), np.inf, s), return_inverse=True)[1]  # ranks, for infinite scores have one too
    fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
    return {
        "auroc": float(roc_auc_score(y, s)),
        "auprc": float(average_precision_score(y, s)),
        "fpr95": float(fpr[(tpr >= 0.95).argmax()]),
        "false_alarm": float(above[~y].mean()),
        "detected": float(above[y].mean()),
    }


def auroc_difference(first: Tensor, second: Tensor, truth: Tensor, level: float, overlap: int = 1) -> tuple[float, float]:
    """Return the ends of an interval of AUROC(second) - AUROC(first), two scores of the same samples, at confidence `level`.

    The variance is DeLong's: with V_i the share of normal samples below anomaly i, and W_j that of anomalies above normal
    sample j, it is var(V' - V) / m + var(W' - W) / n. Quantiles are Student's with min(m, n) - 1 degrees of freedom, for a
    handful of anomalies. overlap: so many samples in a row share steps and count as one. From -1 to 1 where one of m and n is
    below 2. After DeLong, DeLong & Clarke-Pearson 1988, https://doi.org/10.2307/2531595.
    """
    from scipy.special import stdtrit  # as scipy.stats.t.ppf, whose module takes a second to import

    odd = truth.cpu().numpy()
    places = [_placements(s.double().cpu().numpy(), odd) for s in (first, second)]
    counts = [-(-len(part) // overlap) for part in places[0]]
    if min(counts) < 2:
        return -1.0, 1.0
    changes = [after - before for before, after in zip(*places, strict=True)]
    difference = float(changes[0].mean())
    variance = sum(float(change.var(ddof=1)) / count for change, count in zip(changes, counts, strict=True))
    half = float(stdtrit(min(counts) - 1, (1 + level) / 2)) * math.sqrt(variance)
    return max(-1.0, difference - half), min(1.0, difference + half)


def _placements(score: NDArray[np.float64], odd: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each anomaly the share of normal samples below it, for each normal sample that of anomalies above it.

    Ties count one half.
    """
    score = np.where(np.isnan(score), np.inf, score)
    above, below = score[odd], score[~odd]
    shares = []
    for one, others in ((above, np.sort(below)), (below, np.sort(above))):
        share = (np.searchsorted(others, one, "left") + np.searchsorted(others, one, "right")) / (2 * len(others))
        shares.append(share)
    return shares[0], 1 - shares[1]


def ratio(score: Tensor, truth: Tensor) -> float:
    """Return the mean score of anomalies over that of normal samples; for scores that are errors."""
    return float(score[truth].double().mean() / score[~truth].double().mean().clamp_min(torch.finfo(torch.float64).tiny))
