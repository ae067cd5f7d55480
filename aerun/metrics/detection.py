"""How well a score separates anomalies from normal samples; a higher score is more anomalous."""

import numpy as np
import torch
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


def ratio(score: Tensor, truth: Tensor) -> float:
    """Return the mean score of anomalies over that of normal samples; for scores that are errors."""
    return float(score[truth].double().mean() / score[~truth].double().mean().clamp_min(torch.finfo(torch.float64).tiny))
